//! What the local runner prints: where it is, who the first admin client is, and lines to paste.

use std::path::Path;

use shared::endpoints::bootstrap::FirstAdmin;
use shared::oauth::ids::Issuer;
use shared::runtime::Error;

use crate::settings::write_private;

/// Where the first admin client's credentials are kept for the developer, as shell variables.
pub const ADMIN_FILE: &str = "admin.env";

/// Prints the greeting. On the first start it shows the admin client's secret and, where there is a data directory, keeps it in a file
/// that only the developer can read: the table has a digest.
///
/// # Errors
/// Where the file cannot be written.
pub fn greet(issuer: &Issuer, data: Option<&Path>, first: Option<&FirstAdmin>, functions: Option<&Path>) -> Result<(), Error> {
    println!("issuer         {}", issuer.as_str());
    match functions {
        None => println!("functions      in this process"),
        Some(directory) => println!("functions      {} as processes behind a Lambda Runtime API", directory.display()),
    }
    match data {
        Some(data) => println!("data           {} (a key file there stands in for KMS)", data.display()),
        None => println!("data           in memory, gone when this ends (a key file stands in for KMS)"),
    }
    let file = data.map(|data| data.join(ADMIN_FILE));
    if let Some(FirstAdmin { client_id, client_secret }) = first {
        println!("admin client   {client_id}");
        println!("admin secret   {}", client_secret.expose());
        if let Some(file) = &file {
            let variables = format!(
                "B='{}'\nADMIN_CLIENT_ID='{client_id}'\nADMIN_CLIENT_SECRET='{}'\n",
                issuer.as_str(),
                client_secret.expose().replace('\'', "'\\''")
            );
            let _ = std::fs::remove_file(file);
            write_private(file, variables.as_bytes())?;
        }
    }
    let credentials = match (&file, first) {
        (Some(file), _) if file.exists() => format!(". {}", file.display()),
        (_, Some(first)) => {
            format!("B='{}' ADMIN_CLIENT_ID='{}' ADMIN_CLIENT_SECRET='{}'", issuer.as_str(), first.client_id, first.client_secret.expose())
        }
        _ => format!("B='{}' ADMIN_CLIENT_ID=... ADMIN_CLIENT_SECRET=...", issuer.as_str()),
    };
    println!("\nIn another terminal:\n\n{credentials}\n{QUICK_START}");
    Ok(())
}

/// The quick start, in shell: a client gets a token, calls a route through the authorizer, gives the token back and is refused. The
/// README shows the same lines (below), and a script runs them.
pub const QUICK_START: &str = r#"member() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }
ADMIN=$(curl -s -u "$ADMIN_CLIENT_ID:$ADMIN_CLIENT_SECRET" -d grant_type=client_credentials $B/oauth2/token | member access_token)
curl -s -w '\n' -H "Authorization: Bearer $ADMIN" -d '{"name":"orders","audience":"https://orders.example/","scopes":[{"value":"read"}],"access":"authenticated"}' $B/admin/v1/apis
SECRET=$(curl -s -H "Authorization: Bearer $ADMIN" -d '{"client_id":"shop","client_name":"The shop","grant_types":["client_credentials"],"scopes":["https://orders.example/read"]}' $B/admin/v1/clients | member client_secret)
TOKEN=$(curl -s -u "shop:$SECRET" -d grant_type=client_credentials $B/oauth2/token | member access_token)
curl -s -i -w '\n' -H "Authorization: Bearer $TOKEN" $B/orders/1
curl -s -w '\n' -u "shop:$SECRET" -d token=$TOKEN $B/oauth2/introspect
curl -s -i -w '\n' -u "shop:$SECRET" -d token=$TOKEN $B/oauth2/revoke
sleep 6; curl -s -i -w '\n' -H "Authorization: Bearer $TOKEN" $B/orders/1
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_shows_the_same_lines() {
        let blocks: Vec<&str> = include_str!("../../../README.md").split("```sh\n").skip(2).filter_map(|block| block.split("```").next()).collect();
        let shown = format!("{}{}", blocks[0], blocks[1]);
        assert_eq!(shown.strip_prefix(". .gatewright/admin.env\n"), Some(QUICK_START));
    }
}
