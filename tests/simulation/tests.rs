//! The targets.

use super::figures::HEAD;
use super::provider::Told;
use super::setups::{by_requests, limited};
use super::world::World;

#[test]
fn look() {
    println!("{HEAD}");
    for told in [Told::Headers, Told::Hints, Told::Nothing] {
        for percent in [95, 150] {
            let figures = World::new(limited(1, percent, 20, by_requests(told))).run();
            println!("{figures}");
        }
    }
}
