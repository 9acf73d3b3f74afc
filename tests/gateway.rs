//! The gateway as its users meet it: the real program over real sockets, with the provider simulator behind it.
#![cfg(test)]

#[path = "gateway/call.rs"]
mod call;
#[path = "gateway/h2.rs"]
mod h2;
#[path = "gateway/process.rs"]
mod process;
#[path = "gateway/protocol.rs"]
mod protocol;
#[path = "gateway/provider.rs"]
mod provider;
#[path = "gateway/proxies.rs"]
mod proxies;
#[path = "gateway/rig.rs"]
mod rig;
#[path = "gateway/stage.rs"]
mod stage;
#[path = "gateway/wire.rs"]
mod wire;

#[path = "gateway/accounts.rs"]
mod accounts;
#[path = "gateway/affinity.rs"]
mod affinity;
#[path = "gateway/bodies.rs"]
mod bodies;
#[path = "gateway/clients.rs"]
mod clients;
#[path = "gateway/commands.rs"]
mod commands;
#[path = "gateway/continuation.rs"]
mod continuation;
#[path = "gateway/control.rs"]
mod control;
#[path = "gateway/crowd.rs"]
mod crowd;
#[path = "gateway/custody.rs"]
mod custody;
#[path = "gateway/disk.rs"]
mod disk;
#[path = "gateway/egress.rs"]
mod egress;
#[path = "gateway/exhausted.rs"]
mod exhausted;
#[path = "gateway/failover.rs"]
mod failover;
#[path = "gateway/fallbacks.rs"]
mod fallbacks;
#[path = "gateway/heads.rs"]
mod heads;
#[path = "gateway/health.rs"]
mod health;
#[path = "gateway/hedging.rs"]
mod hedging;
#[path = "gateway/keepalive.rs"]
mod keepalive;
#[path = "gateway/leaks.rs"]
mod leaks;
#[path = "gateway/leaving.rs"]
mod leaving;
#[path = "gateway/limits.rs"]
mod limits;
#[path = "gateway/local.rs"]
mod local;
#[path = "gateway/login.rs"]
mod login;
#[path = "gateway/oauth.rs"]
mod oauth;
#[path = "gateway/oauth_kill.rs"]
mod oauth_kill;
#[path = "gateway/operate.rs"]
mod operate;
#[path = "gateway/operations.rs"]
mod operations;
#[path = "gateway/passing.rs"]
mod passing;
#[path = "gateway/platforms.rs"]
mod platforms;
#[path = "gateway/quota.rs"]
mod quota;
#[path = "gateway/records.rs"]
mod records;
#[path = "gateway/reload.rs"]
mod reload;
#[path = "gateway/restart.rs"]
mod restart;
#[path = "gateway/shutdown.rs"]
mod shutdown;
#[path = "gateway/tools.rs"]
mod tools;
#[path = "gateway/waiting.rs"]
mod waiting;
#[path = "gateway/warm_up.rs"]
mod warm_up;
