//! The routes: the orders of the caller.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use portcullis_actix::Auth;
use serde::Deserialize;
use serde_json::{Value, json};

/// The items that each user has ordered. A real service has a table.
#[derive(Default)]
pub(crate) struct Orders(Mutex<HashMap<String, Vec<String>>>);

#[derive(Deserialize)]
pub(crate) struct Order {
    item: String,
}

/// `GET /api/orders`
pub(crate) async fn list(auth: Auth, orders: Data<Orders>) -> Json<Value> {
    Json(json!({"orders": orders.of(&auth, |items| items.clone())}))
}

/// `POST /api/orders`. The caller comes first: a refused request is not told what is wrong with its body.
pub(crate) async fn add(auth: Auth, orders: Data<Orders>, Json(order): Json<Order>) -> HttpResponse {
    let number = orders.of(&auth, |items| {
        items.push(order.item.clone());
        items.len()
    });
    HttpResponse::Created().json(json!({"number": number, "item": order.item}))
}

impl Orders {
    fn of<T>(&self, auth: &Auth, work: impl FnOnce(&mut Vec<String>) -> T) -> T {
        let subject = auth.subject().unwrap_or_default().to_owned();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(all.entry(subject).or_default())
    }
}
