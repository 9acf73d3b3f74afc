//! Every fault of the simulator, streamed and not, over all pairs of dialects, with a second account that is well.
#![cfg(test)]

#[path = "gateway/call.rs"]
#[expect(dead_code, reason = "the gateway's own tests use more of it")]
mod call;
#[path = "faults/list.rs"]
mod list;
#[path = "faults/matrix.rs"]
mod matrix;
#[path = "gateway/process.rs"]
#[expect(dead_code, reason = "the gateway's own tests use more of it")]
mod process;
#[path = "gateway/protocol.rs"]
mod protocol;
#[path = "gateway/rig.rs"]
#[expect(dead_code, reason = "the gateway's own tests use more of it")]
mod rig;
#[path = "gateway/stage.rs"]
#[expect(dead_code, reason = "the gateway's own tests use more of it")]
mod stage;
#[path = "faults/strict.rs"]
mod strict;
#[path = "gateway/wire.rs"]
#[expect(dead_code, reason = "the gateway's own tests use more of it")]
mod wire;
