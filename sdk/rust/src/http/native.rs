//! Outside of the sandbox nothing is sent: tests say what is answered.

use super::url::Url;
use super::{Request, Response};
use crate::Error;
use std::cell::RefCell;
use std::rc::Rc;

type Answer = Rc<dyn Fn(&Request) -> Result<Response, Error>>;

thread_local! {
    static ANSWER: RefCell<Option<Answer>> = const { RefCell::new(None) };
}

/// For tests that run natively: every request of this thread gets this answer from now on.
pub fn answer_with(answer: impl Fn(&Request) -> Result<Response, Error> + 'static) {
    ANSWER.with_borrow_mut(|slot| *slot = Some(Rc::new(answer)));
}

/// What the test says.
pub(super) fn send(request: &Request, url: &Url<'_>) -> Result<Response, Error> {
    let answer = ANSWER.with_borrow(Clone::clone);
    let answer = answer.ok_or_else(|| {
        let target = format!("{}{}", url.authority, url.path);
        Error::permanent(
            "http_denied",
            format!("{target}: natively nothing is sent; answer it with stepwell::http::answer_with"),
        )
    })?;
    answer(request)
}
