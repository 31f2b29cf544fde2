//! One script: declared, run, called.

use crate::guest::bindings::exports::stepwell::script::runner::{Context, Failed, Flaw};
use crate::machine::Prelude;
use crate::outcome;
use rquickjs::promise::PromiseState;
use rquickjs::{Array, CatchResultExt, CaughtError, Ctx, Function, Module, Object, Result, Value};

/// How the script calls itself in stacks.
const NAME: &str = "function.js";

/// Why there is no default export to call.
enum Missing<'js> {
    /// The text is none, or its top-level code threw this.
    Threw(CaughtError<'js>),
    /// Its top-level code waits for what never comes.
    Pending,
    /// It exports no function.
    NoFunction,
}

const PENDING: &str = "the script's top-level code waits for a promise that never settles";
const NO_FUNCTION: &str =
    "the script has no function as its default export: write `export default function (input, ctx) { ... }`";

/// Whether the text is a script.
pub(crate) fn check<'js>(js: &Ctx<'js>, prelude: &Prelude<'js>, script: String) -> std::result::Result<(), Flaw> {
    let flaw = |message: &str| Flaw { message: message.to_owned(), line: None, column: None };
    match default_export(js, script) {
        Ok(_) => Ok(()),
        Err(Missing::Pending) => Err(flaw(PENDING)),
        Err(Missing::NoFunction) => Err(flaw(NO_FUNCTION)),
        Err(Missing::Threw(error)) => {
            Err(outcome::flaw(js, prelude, error).unwrap_or_else(|_| flaw("it cannot be run")))
        }
    }
}

/// Calls the default export.
pub(crate) fn run<'js>(
    js: &Ctx<'js>,
    prelude: &Prelude<'js>,
    script: String,
    (ctx, input): (&Context, &str),
) -> std::result::Result<String, Failed> {
    let function = match default_export(js, script) {
        Ok(function) => function,
        Err(Missing::Pending) => return Err(outcome::permanent("never_settled", PENDING)),
        Err(Missing::NoFunction) => return Err(outcome::permanent("invalid_script", NO_FUNCTION)),
        Err(Missing::Threw(error)) => return Err(outcome::threw(js, prelude, error)),
    };
    match called(js, prelude, function, (ctx, input)).catch(js) {
        Ok(end) => outcome::ended(&end),
        Err(error) => Err(outcome::threw(js, prelude, error)),
    }
}

fn default_export<'js>(js: &Ctx<'js>, script: String) -> std::result::Result<Function<'js>, Missing<'js>> {
    let declared = Module::declare(js.clone(), NAME, script).catch(js).map_err(Missing::Threw)?;
    let (module, promise) = declared.eval().catch(js).map_err(Missing::Threw)?;
    settle(js);
    match promise.state() {
        PromiseState::Pending => return Err(Missing::Pending),
        PromiseState::Resolved => {}
        PromiseState::Rejected => {
            promise.result::<Value<'_>>().transpose().catch(js).map_err(Missing::Threw)?;
        }
    }
    // A name that is exported but has no value yet throws.
    let export: Option<Value<'_>> = module.get("default").catch(js).ok();
    export.and_then(Value::into_function).ok_or(Missing::NoFunction)
}

fn called<'js>(
    js: &Ctx<'js>,
    prelude: &Prelude<'js>,
    function: Function<'js>,
    (ctx, input): (&Context, &str),
) -> Result<Array<'js>> {
    let cell: Value<'_> = prelude.function("begin")?.call((function, facts(js, ctx)?, input))?;
    settle(js);
    prelude.function("end")?.call((cell,))
}

/// Runs everything that promises have left to do. The host ends what never ends.
fn settle(js: &Ctx<'_>) {
    while js.execute_pending_job() {}
}

/// What `ctx` holds besides its functions.
fn facts<'js>(js: &Ctx<'js>, ctx: &Context) -> Result<Object<'js>> {
    let facts = Object::new(js.clone())?;
    facts.set("function", &ctx.function)?;
    facts.set("executionId", &ctx.execution_id)?;
    facts.set("workflowId", &ctx.workflow_id)?;
    facts.set("step", &ctx.step)?;
    facts.set("iteration", ctx.iteration.clone())?;
    facts.set("attempt", ctx.attempt)?;
    facts.set("idempotencyKey", &ctx.idempotency_key)?;
    facts.set("deadline", ctx.deadline_ms as f64)?;
    for (name, property) in [("callback-url", "callbackUrl"), ("traceparent", "traceparent")] {
        if let Some((_, value)) = ctx.extra.iter().find(|(known, _)| known == name) {
            facts.set(property, value)?;
        }
    }
    Ok(facts)
}
