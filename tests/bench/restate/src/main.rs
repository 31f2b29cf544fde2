//! The benchmark's workflow for Restate: a handler of three durable steps, one after the other, that add one to a number.
//!
//! `stepwell-bench-restate ADDRESS`

use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Number {
    n: u64,
}

struct Bench;

#[service]
impl Bench {
    /// Three durable steps; the answer is the last one's.
    #[handler]
    async fn three(&self, context: Context<'_>, input: Json<Number>) -> Result<Json<Number>, HandlerError> {
        let mut n = input.into_inner().n;
        for step in ["first", "second", "third"] {
            n = context.run(|| async move { Ok(Json(Number { n: n + 1 })) }).name(step).await?.into_inner().n;
        }
        Ok(Json(Number { n }))
    }
}

#[tokio::main]
async fn main() {
    let address = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let Some(address) = address else {
        eprintln!("usage: stepwell-bench-restate ADDRESS");
        std::process::exit(2);
    };
    HttpServer::new(Endpoint::builder().bind(Bench).build()).listen_and_serve(address).await;
}
