//! The tree of an expression: nodes in one flat list, so that dropping it never recurses.

use std::sync::Arc;

use crate::builtin::{Function, Method};
use crate::value::Value;

/// A node's place in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(u32);

impl NodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A parsed expression.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// Free names, in the order of their first use; `Node::Root` refers to them by index.
    pub(crate) roots: Vec<Box<str>>,
}

impl Tree {
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.index()]
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Makes the places of the source that nodes refer to count from `start`.
    pub(crate) fn shift(&mut self, start: usize) {
        for node in &mut self.nodes {
            if let Node::Chain { links, .. } = node {
                for link in links {
                    link.before = (link.before.0.saturating_sub(start), link.before.1.saturating_sub(start));
                }
            }
        }
    }

    #[allow(clippy::cast_possible_truncation, reason = "there are fewer nodes than bytes of source, at most 4096")]
    pub(crate) fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId((self.nodes.len() - 1) as u32)
    }
}

/// One construct.
#[derive(Debug)]
pub(crate) enum Node {
    Literal(Value),
    /// A name from the scope: an index into `Tree::roots`.
    Root(usize),
    /// A parameter of an enclosing arrow function: its slot on the stack of parameters.
    Local(usize),
    Unary {
        op: UnaryOp,
        operand: NodeId,
    },
    /// Operators of one level from left to right, flat, so that a long sum is not a deep tree.
    Binary {
        first: NodeId,
        rest: Vec<(BinaryOp, NodeId)>,
    },
    Conditional {
        test: NodeId,
        yes: NodeId,
        no: NodeId,
    },
    /// A base and what follows it: `a.b?.[c].d()`. A nullish base before `?.` ends the whole chain.
    Chain {
        base: NodeId,
        links: Vec<Link>,
    },
    Array(Vec<Element>),
    Object(Vec<ObjectMember>),
    /// Texts and the expressions between them: one text more than expressions.
    Template {
        texts: Vec<Arc<str>>,
        parts: Vec<NodeId>,
    },
    /// A call of a function of the closed list, such as `Math.max(...)`.
    Call {
        function: Function,
        arguments: Vec<Argument>,
    },
}

impl Node {
    /// The nodes directly inside of this one.
    pub(crate) fn children(&self) -> impl Iterator<Item = NodeId> {
        let mut children = Vec::new();
        match self {
            Self::Literal(_) | Self::Root(_) | Self::Local(_) => {}
            Self::Unary { operand, .. } => children.push(*operand),
            Self::Binary { first, rest } => {
                children.push(*first);
                children.extend(rest.iter().map(|(_, operand)| *operand));
            }
            Self::Conditional { test, yes, no } => children.extend([*test, *yes, *no]),
            Self::Chain { base, links } => {
                children.push(*base);
                links.iter().for_each(|link| link.add_children(&mut children));
            }
            Self::Array(items) | Self::Call { arguments: items, .. } => {
                children.extend(items.iter().map(|item| item.value));
            }
            Self::Object(members) => members.iter().for_each(|member| match member {
                ObjectMember::Named(_, value) | ObjectMember::Spread(value) => children.push(*value),
                ObjectMember::Computed(key, value) => children.extend([*key, *value]),
            }),
            Self::Template { parts, .. } => children.extend(parts),
        }
        children.into_iter()
    }
}

impl Link {
    fn add_children(&self, children: &mut Vec<NodeId>) {
        match &self.kind {
            LinkKind::Property(_) => {}
            LinkKind::Index(key) => children.push(*key),
            LinkKind::Method { callback, arguments, .. } => {
                if let Some(Callback::Arrow { body, .. }) = callback {
                    children.push(*body);
                }
                children.extend(arguments.iter().map(|argument| argument.value));
            }
        }
    }
}

/// An operator before its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnaryOp {
    Not,
    Minus,
    Plus,
    Typeof,
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Coalesce,
    Or,
    And,
    Equal,
    NotEqual,
    Same,
    NotSame,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

impl BinaryOp {
    pub(crate) fn of(sign: &str) -> Option<BinaryOp> {
        Some(match sign {
            "??" => Self::Coalesce,
            "||" => Self::Or,
            "&&" => Self::And,
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "===" => Self::Same,
            "!==" => Self::NotSame,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "in" => Self::In,
            "+" => Self::Add,
            "-" => Self::Subtract,
            "*" => Self::Multiply,
            "/" => Self::Divide,
            "%" => Self::Remainder,
            "**" => Self::Power,
            _ => return None,
        })
    }

    /// How tightly it binds; all but `**` group from left to right.
    pub(crate) fn level(self) -> u8 {
        match self {
            Self::Coalesce | Self::Or => 1,
            Self::And => 2,
            Self::Equal | Self::NotEqual | Self::Same | Self::NotSame => 3,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual | Self::In => 4,
            Self::Add | Self::Subtract => 5,
            Self::Multiply | Self::Divide | Self::Remainder => 6,
            Self::Power => 7,
        }
    }
}

/// One step of a chain.
#[derive(Debug)]
pub(crate) struct Link {
    /// Written with `?.`.
    pub(crate) optional: bool,
    /// The bytes of the source that are the chain before this link, for error messages.
    pub(crate) before: (usize, usize),
    pub(crate) kind: LinkKind,
}

#[derive(Debug)]
pub(crate) enum LinkKind {
    Property(Arc<str>),
    Index(NodeId),
    Method { method: Method, callback: Option<Callback>, arguments: Vec<Argument> },
}

/// What a method calls for each element.
#[derive(Debug)]
pub(crate) enum Callback {
    /// An arrow function: its parameters take the slots from `slot`.
    Arrow { slot: usize, parameters: usize, body: NodeId },
    /// A function of the closed list, given by name: `.filter(Boolean)`.
    Function(Function),
}

/// An item of an array literal or of a call.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) spread: bool,
    pub(crate) value: NodeId,
}

/// An argument of a call.
pub(crate) type Argument = Element;

/// A part of an object literal.
#[derive(Debug)]
pub(crate) enum ObjectMember {
    Named(Arc<str>, NodeId),
    Computed(NodeId, NodeId),
    Spread(NodeId),
}
