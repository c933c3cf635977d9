//! Lists for administrators, page by page. The index finds the keys; what is shown is read from the table itself.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;

use super::definition::INDEX;
use super::item::{Item, doc, text, token_record};
use super::key::{CLIENTS_LIST, Key, LAST, TOKEN_LISTS, audit_list, moment, token_list};
use super::{Store, StoreError, unavailable};
use crate::oauth::access_token::TokenRecord;
use crate::oauth::change::AuditEvent;
use crate::oauth::client::Client;
use crate::oauth::ids::ClientId;
use crate::oauth::time::Timestamp;
use crate::oauth::user::UserId;

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// The place after which the next page begins; `None` on the last page.
    pub next: Option<String>,
}

impl Store {
    /// Clients by id, from after the place `after`.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn list_clients(&self, after: Option<&str>, limit: usize) -> Result<Page<Client>, StoreError> {
        let places = self.places(CLIENTS_LIST, after.unwrap_or_default(), limit).await?;
        let mut batch = self.batch();
        let ids: Vec<ClientId> = places.items.iter().filter_map(|place| ClientId::parse(place)).collect();
        for id in &ids {
            batch = batch.with(Key::Client(id));
        }
        let found = batch.read().await?;
        let clients: Result<Vec<_>, _> = ids.iter().filter_map(|id| found.client(id).transpose()).collect();
        Ok(Page { items: clients?, next: places.next })
    }

    /// A client's or a user's token records by time of issue, from after the place `after`.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn list_tokens(&self, owner: &str, after: Option<&str>, limit: usize) -> Result<Page<TokenRecord>, StoreError> {
        let mut places = Vec::new();
        for list in 0..TOKEN_LISTS {
            places.extend(self.places(&token_list(owner, list), after.unwrap_or_default(), limit + 1).await?.items);
        }
        places.sort_unstable();
        let next = places.get(limit.saturating_sub(1)).filter(|_| places.len() > limit).cloned();
        places.truncate(limit);
        let mut batch = self.batch();
        let jtis: Vec<&str> = places.iter().filter_map(|place| place.split_once('#')).map(|(_, jti)| jti).collect();
        for jti in &jtis {
            batch = batch.with(Key::Token(jti));
        }
        let found = batch.read().await?;
        let records: Result<Vec<_>, _> = jtis.iter().filter_map(|jti| found.token(jti).transpose()).collect();
        Ok(Page { items: records?, next })
    }

    /// The record of one token.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn token(&self, jti: &str) -> Result<Option<TokenRecord>, StoreError> {
        self.item(Key::Token(jti)).await?.as_ref().map(token_record).transpose()
    }

    /// The audit entries about one client, oldest first, from after the place `after`.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn list_client_audit(
        &self,
        client_id: &ClientId,
        (from, to): (Timestamp, Timestamp),
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<AuditEvent>, StoreError> {
        let start = after.map_or_else(|| moment(from, ""), str::to_owned);
        let query = self.range(&audit_list(client_id), "list", "place", &start, &moment(to, LAST)).index_name(INDEX);
        let answer = query.limit(page_size(limit)).send().await.map_err(unavailable)?;
        let mut items = Vec::new();
        let mut last = None;
        for place in answer.items.unwrap_or_default() {
            let (Some(pk), Some(sk)) = (place.get("pk").cloned(), place.get("sk").cloned()) else { continue };
            let request = self.client.get_item().table_name(&self.table).key("pk", pk).key("sk", sk).consistent_read(true);
            items.extend(request.send().await.map_err(unavailable)?.item.as_ref().map(doc).transpose()?);
            last = text(&place, "place").map(str::to_owned);
        }
        Ok(Page { items, next: last.filter(|_| answer.last_evaluated_key.is_some()) })
    }

    /// The audit entries about one user, oldest first, from after the place `after`.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn list_user_audit(
        &self,
        user_id: &UserId,
        (from, to): (Timestamp, Timestamp),
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<AuditEvent>, StoreError> {
        let start = after.map_or_else(|| moment(from, ""), str::to_owned);
        let partition = Key::UserAudit { user_id, at: from, id: "" }.partition();
        self.contents(&partition, &start, &moment(to, LAST), limit).await
    }

    /// All audit entries of one UTC day up to `to`, oldest first, from after the place `after`.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn list_day_audit(
        &self,
        (from, to): (Timestamp, Timestamp),
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<AuditEvent>, StoreError> {
        let start = after.map_or_else(|| moment(from, ""), str::to_owned);
        let partition = Key::Audit { at: from, id: "" }.partition();
        self.contents(&partition, &start, &moment(to, LAST), limit).await
    }

    /// The contents of a partition between two sort keys (the first excluded).
    pub(crate) async fn contents<T: DeserializeOwned>(&self, partition: &str, start: &str, end: &str, limit: usize) -> Result<Page<T>, StoreError> {
        let page = self.page(partition, start, end, limit).await?;
        let contents: Result<Vec<T>, _> = page.items.iter().map(doc).collect();
        Ok(Page { items: contents?, next: page.next })
    }

    /// The items of a partition between two sort keys (the first excluded), as they are.
    pub(crate) async fn page(&self, partition: &str, start: &str, end: &str, limit: usize) -> Result<Page<Item>, StoreError> {
        let query = self.range(partition, "pk", "sk", start, end).consistent_read(true);
        let answer = query.limit(page_size(limit)).send().await.map_err(unavailable)?;
        let items: Vec<Item> = answer.items.unwrap_or_default();
        let next = items.last().and_then(|item| text(item, "sk")).filter(|_| answer.last_evaluated_key.is_some()).map(str::to_owned);
        Ok(Page { items, next })
    }

    /// The items of a partition whose sort keys lie in `start..=end`, as they are.
    pub(crate) async fn items(&self, partition: &str, start: &str, end: &str) -> Result<Vec<Item>, StoreError> {
        let mut pages = self.range(partition, "pk", "sk", start, end).consistent_read(true).into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.map_err(unavailable)?);
        }
        Ok(items)
    }

    pub(crate) async fn places(&self, list: &str, after: &str, limit: usize) -> Result<Page<String>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .key_condition_expression("#p = :p AND #s > :start")
            .expression_attribute_names("#p", "list")
            .expression_attribute_names("#s", "place")
            .expression_attribute_values(":p", AttributeValue::S(list.to_owned()))
            .expression_attribute_values(":start", AttributeValue::S(if after.is_empty() { " ".to_owned() } else { after.to_owned() }));
        let answer = query.limit(page_size(limit)).send().await.map_err(unavailable)?;
        let items: Vec<String> = answer.items.unwrap_or_default().iter().filter_map(|item| text(item, "place").map(str::to_owned)).collect();
        let next = items.last().filter(|_| answer.last_evaluated_key.is_some()).cloned();
        Ok(Page { items, next })
    }

    fn range(
        &self,
        partition: &str,
        partition_name: &str,
        sort_name: &str,
        start: &str,
        end: &str,
    ) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        // BETWEEN includes its start; a space sorts before every character of a place, so `start` itself is left out by one added.
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#p = :p AND #s BETWEEN :start AND :end")
            .expression_attribute_names("#p", partition_name)
            .expression_attribute_names("#s", sort_name)
            .expression_attribute_values(":p", AttributeValue::S(partition.to_owned()))
            .expression_attribute_values(":start", AttributeValue::S(format!("{start} ")))
            .expression_attribute_values(":end", AttributeValue::S(end.to_owned()))
    }
}

fn page_size(limit: usize) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}
