//! The accounts of a gateway, and what keeps them from requests. `cargo run -p interlingua-client --example admin`

use std::io::Write as _;

use interlingua_client::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let admin = Client::discover().await?.admin().await?;
    let mut out = std::io::stdout();
    for account in admin.accounts().await? {
        let (state, reason) = (account.standing.state, account.standing.reason.unwrap_or_default());
        writeln!(out, "{}  {state:?} {reason}  served {}  failed {}", account.account, account.served, account.failed)?;
    }
    let health = admin.health().await?;
    writeln!(out, "{}: {} of {} accounts are ready", health.status, health.accounts.ready, health.accounts.total)?;

    // What has no method of its own is asked for by its path.
    let quotas: serde_json::Value = admin.get("api/quota").await?;
    writeln!(out, "quotas are known of {} accounts", quotas["accounts"].as_array().map_or(0, Vec::len))?;
    Ok(())
}
