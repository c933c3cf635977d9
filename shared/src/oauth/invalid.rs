//! What is wrong with what an administrator said: the `errors` of a problem (RFC 9457).

use std::borrow::Cow;

/// One fault of a request body: where, and what to do (`errors` of RFC 9457 problems).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// A JSON pointer (RFC 6901) to the member.
    pub pointer: Cow<'static, str>,
    /// What is wrong with it.
    pub detail: Cow<'static, str>,
}

impl Invalid {
    /// The fault `detail` of the member at `pointer`.
    pub fn new(pointer: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// Whether a list names something twice.
pub(crate) fn repeated<T: PartialEq>(list: &[T]) -> bool {
    list.iter().enumerate().any(|(at, item)| list.iter().take(at).any(|earlier| earlier == item))
}
