//! What each type of step does: the checked form of its part of a definition.

use super::{Exits, StepIx};
use crate::payload::Payload;
use stepwell_expression::{Expression, Template};

/// What a step does.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// Calls a function.
    Function(Call),
    /// Chooses between `next` and `else`.
    Condition(Expression),
    /// Starts branches (C7).
    Parallel(ParallelRule),
    /// Repeats a body (C8-C13).
    Loop(Box<LoopRule>),
    /// Waits for people (H1-H7).
    Human(Box<HumanRule>),
    /// Asks a model (A1-A4).
    Agent(AgentRule),
    /// Waits for a moment (C21).
    Wait(WaitRule),
    /// Waits for a business event (C21).
    Event(Box<EventRule>),
    /// Runs another workflow (C21).
    Workflow(Box<ChildRule>),
}

impl StepKind {
    /// Its type, as definitions write it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Function(_) => "function",
            Self::Condition(_) => "condition",
            Self::Parallel(_) => "parallel",
            Self::Loop(_) => "loop",
            Self::Human(_) => "human",
            Self::Agent(_) => "agent",
            Self::Wait(_) => "wait",
            Self::Event(_) => "event",
            Self::Workflow(_) => "workflow",
        }
    }

    /// Whether other steps run inside of it: the iterations of a loop, the branches of a `parallel`.
    #[must_use]
    pub fn is_container(&self) -> bool {
        match self {
            Self::Loop(_) => true,
            Self::Parallel(rule) => !rule.branches.is_empty(),
            Self::Function(_)
            | Self::Condition(_)
            | Self::Human(_)
            | Self::Agent(_)
            | Self::Wait(_)
            | Self::Event(_)
            | Self::Workflow(_) => false,
        }
    }
}

/// A function step's call.
#[derive(Debug, Clone)]
pub struct Call {
    /// The function's id as the definition writes it.
    pub function: String,
    /// `config.input`: replaces the merge of D1.
    pub input: Option<InputRule>,
    /// Other keys of `config`: merged on top (D2).
    pub parameters: Option<Template>,
    /// `config.async`: somebody else completes the step (C22).
    pub completes_later: bool,
}

impl Call {
    /// The secrets that it is called with, as often as they are read.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let (expression, template) = match &self.input {
            Some(InputRule::Expression(expression)) => (Some(expression), None),
            Some(InputRule::Template(template)) => (None, Some(template)),
            None => (None, None),
        };
        let templates = template.into_iter().chain(&self.parameters).flat_map(Template::expressions);
        super::secret::named(expression.into_iter().chain(templates)).flatten()
    }
}

/// The two forms of `config.input`.
#[derive(Debug, Clone)]
pub enum InputRule {
    /// One expression string.
    Expression(Expression),
    /// An object with templates.
    Template(Template),
}

/// A `parallel` step. Without branches it is a fork over `next`.
#[derive(Debug, Clone)]
pub struct ParallelRule {
    /// Each branch's first steps, which start together.
    pub branches: Vec<Exits>,
    /// How many branches run at once; `None`: all.
    pub max_concurrency: Option<u32>,
}

/// A `loop` step. Its body is the step's `next`.
#[derive(Debug, Clone)]
pub struct LoopRule {
    /// What it goes over.
    pub source: LoopSource,
    /// Most iterations (C11, C12).
    pub max_iterations: u32,
    /// More items than that: the first ones are taken, instead of a failure.
    pub truncate: bool,
    /// Iterations at once (C9).
    pub concurrency: u32,
    /// A failed iteration leaves `{error}` in the results (C13).
    pub continue_on_error: bool,
    /// Where the path goes on after the last iteration.
    pub done: Exits,
}

/// What a loop goes over.
#[derive(Debug, Clone)]
pub enum LoopSource {
    /// The items of an expression's value (C10).
    Items(Expression),
    /// The items of a literal, whose strings may be templates.
    Literal(Template),
    /// As long as this is true (C12).
    While(Expression),
}

/// A `human` step.
#[derive(Debug, Clone)]
pub struct HumanRule {
    /// Who may answer: an array of strings; `None`: any key with the scope `approve` (H2).
    pub approvers: Option<Template>,
    /// How many have to approve (H3).
    pub required: u32,
    /// A rejection only counts once the approvals cannot be reached any more (H3).
    pub reject_when_impossible: bool,
    /// How long it waits; `None`: for ever (H4).
    pub timeout: Option<Span>,
    /// What happens then.
    pub on_timeout: OnTimeout,
    /// Whether the one who started the execution may answer (H5).
    pub allow_self: bool,
    /// JSON Schema of the answer's `data` (H6).
    pub form: Option<Payload>,
    /// All other keys of `config`, for whoever answers: `title`, `description`, ...
    pub shown: Option<Template>,
}

/// What happens when nobody answers, or nothing comes, in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTimeout {
    /// On to `next`.
    Next,
    /// The step fails.
    Fail,
    /// On to this step.
    Go(StepIx),
}

/// An `agent` step.
#[derive(Debug, Clone)]
pub struct AgentRule {
    /// `config.agentRole` or `config.role` (A1).
    pub role: String,
    /// Ids of functions that are offered as tools (A2).
    pub tools: Vec<String>,
}

/// A `wait` step.
#[derive(Debug, Clone)]
pub enum WaitRule {
    /// `config.duration`
    For(Span),
    /// `config.until`: RFC 3339, or milliseconds since 1970.
    Until(Template),
}

/// A length of time in a definition.
#[derive(Debug, Clone)]
pub enum Span {
    /// Milliseconds.
    Fixed(u64),
    /// Known when the step runs: milliseconds, or a text such as `"30s"`.
    Template(Template),
}

/// An `event` step.
#[derive(Debug, Clone)]
pub struct EventRule {
    /// Types of events, with `*` and `**` (T2): an array of strings.
    pub types: Template,
    /// `config.source`: where the event must come from.
    pub source: Option<Template>,
    /// `config.match`: sees the event as `event`.
    pub matches: Option<Expression>,
    /// How long it waits; `None`: for ever.
    pub timeout: Option<Span>,
    /// What happens then.
    pub on_timeout: OnTimeout,
    /// `config.since: "start"`: events since the execution's start count too.
    pub since_start: bool,
}

/// A `workflow` step.
#[derive(Debug, Clone)]
pub struct ChildRule {
    /// The child's workflow: a string.
    pub workflow: Template,
    /// `config.input`: replaces the merge of D1.
    pub input: Option<InputRule>,
}
