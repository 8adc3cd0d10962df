//! Leaves of generated workflows: simulated processes and pauses, with their retries, locks and outputs.
//! Does not call them.

use super::super::model::{
    Call, Input, Kind, Leaf, Lock, Make, Of, Output, Piece, Retry, Suspend, Template, Text, With,
};
use super::calls::Scope;
use super::{Builder, Looks};

/// Words that conditions can compare.
pub(super) const WORDS: [&str; 4] = ["aa", "bb", "cc", "dd"];

impl Builder<'_> {
    /// Inputs of a template, with what they look like.
    pub(super) fn inputs(&mut self) -> Vec<(Input, Looks)> {
        let mut inputs = Vec::new();
        for (name, looks) in
            [("n", Looks::Number), ("w", Looks::Word), ("l", Looks::Numbers), ("x", Looks::Any)]
        {
            if self.rng.chance(180) {
                let default = self.rng.chance(400).then(|| self.literal(looks));
                inputs.push((Input { name: name.to_owned(), default }, looks));
            }
        }
        inputs
    }

    /// A value that looks so.
    pub(super) fn literal(&mut self, looks: Looks) -> String {
        match looks {
            Looks::Number => self.rng.below(4).to_string(),
            Looks::Word | Looks::Any => (*self.rng.pick(&WORDS)).to_owned(),
            Looks::Numbers | Looks::List => {
                let items: Vec<String> =
                    (0..self.rng.below(3)).map(|_| self.rng.below(4).to_string()).collect();
                format!("[{}]", items.join(","))
            }
        }
    }

    /// A template that is called by hooks: it succeeds or fails, which must not matter.
    pub(super) fn hook_leaf(&mut self) -> usize {
        let input = Input { name: "w".to_owned(), default: Some("none".to_owned()) };
        let mut leaf = self.process();
        (leaf.fail, leaf.error, leaf.lost) = (200, 50, 0);
        leaf.out = Some(Make::Text(vec![Piece::Lit("hook-".to_owned()), Piece::Input("w".to_owned())]));
        let name = self.name("hook");
        self.add(bare(name, vec![input], Kind::Leaf(leaf)), Looks::Any)
    }

    /// The exit handler of a run.
    pub(super) fn exit_leaf(&mut self) -> usize {
        let mut leaf = self.process();
        leaf.out = Some(Make::Text(vec![Piece::Lit("end-".to_owned()), Piece::WorkflowStatus]));
        let name = self.name("exit");
        let retry = self.retry(150, false);
        self.add(Template { retry, ..bare(name, Vec::new(), Kind::Leaf(leaf)) }, Looks::Any)
    }

    /// A first group whose only step leaves a global output, which whatever comes after may use.
    pub(super) fn emit(&mut self, scope: &mut Scope) -> Vec<Call> {
        let mut leaf = self.process();
        (leaf.fail, leaf.error, leaf.lost, leaf.deadline_s) = (0, 0, 0, None);
        leaf.out = Some(Make::Number);
        leaf.global = Some("gl".to_owned());
        let name = self.name("emit");
        let template = self.add(bare(name, Vec::new(), Kind::Leaf(leaf)), Looks::Number);
        scope.known.push((Piece::GlobalOutput("gl".to_owned()), Looks::Number));
        vec![Call {
            name: "emit".to_owned(),
            template,
            args: Vec::new(),
            when: None,
            with: With::None,
            on_failed: false,
            on_error: false,
            exit: None,
            hook: None,
        }]
    }

    fn process(&mut self) -> Leaf {
        let fail = *self.rng.pick(&[0, 0, 0, 100, 300, 1000]);
        Leaf {
            script: self.rng.chance(650),
            fail,
            error: *self.rng.pick(&[0, 0, 0, 0, 150]),
            lost: *self.rng.pick(&[0, 0, 0, 0, 0, 100]),
            longest_ms: *self.rng.pick(&[10, 2000, 10_000]),
            deadline_s: self.rng.chance(70).then(|| self.rng.between(1, 8)),
            result: Make::Number,
            out: None,
            out_default: None,
            global: None,
        }
    }

    /// A leaf; one that exists already, or a new one.
    pub(super) fn leaf(&mut self, reuse: &[usize]) -> usize {
        if !reuse.is_empty() && self.rng.chance(350) {
            return *self.rng.pick(reuse);
        }
        if self.rng.chance(70) {
            return self.pause();
        }
        let inputs = self.inputs();
        let scope = Scope::new(&inputs);
        let mut leaf = self.process();
        let retry = self.retry(250, false);
        let (result, _) = self.make(&scope, retry.is_some());
        leaf.result = result;
        let mut looks = Looks::Any;
        if self.rng.chance(700) {
            let (out, found) = self.make(&scope, retry.is_some());
            leaf.out = Some(out);
            looks = found;
            leaf.out_default = self.rng.chance(350).then(|| self.literal(looks));
        }
        let lock = self.rng.chance(90).then(|| {
            if self.rng.chance(600) {
                Lock::Mutex(format!("m{}", self.rng.below(2)))
            } else {
                Lock::Semaphore
            }
        });
        let timeout_s = (self.timed && self.rng.chance(120)).then(|| self.rng.between(1, 12));
        let name = self.name("leaf");
        let inputs = inputs.into_iter().map(|(input, _)| input).collect();
        let template = Template { retry, lock, timeout_s, ..bare(name, inputs, Kind::Leaf(leaf)) };
        self.add(template, looks)
    }

    /// What a process makes, and what that looks like.
    fn make(&mut self, scope: &Scope, retried: bool) -> (Make, Looks) {
        match self.rng.below(10) {
            0..=3 => (Make::Number, Looks::Number),
            4..=5 => (Make::List, Looks::Numbers),
            6 if retried => (Make::Text(vec![Piece::Retries]), Looks::Number),
            7..=8 if !scope.known.is_empty() => {
                let (piece, looks) = self.rng.pick(&scope.known).clone();
                let looks = if matches!(piece, Piece::Input(_)) { looks } else { Looks::Any };
                (Make::Text(vec![piece]), looks)
            }
            _ => {
                let word = self.literal(Looks::Word);
                (Make::Text(vec![Piece::Lit(word)]), Looks::Word)
            }
        }
    }

    fn pause(&mut self) -> usize {
        let seconds = self.rng.chance(500).then(|| self.rng.between(1, 90));
        let supplied = self.rng.chance(500).then(|| self.rng.chance(600).then(|| self.literal(Looks::Word)));
        // A pause that ends by itself needs a default, or it is an Error: rare, but worth it.
        let supplied = match (seconds, supplied) {
            (Some(_), Some(None)) if self.rng.chance(800) => None,
            (_, supplied) => supplied,
        };
        let name = self.name("pause");
        let kind = Kind::Suspend(Suspend { seconds, supplied });
        self.add(bare(name, Vec::new(), kind), Looks::Word)
    }

    /// Retries, that many times in a thousand.
    pub(super) fn retry(&mut self, permille: u64, composite: bool) -> Option<Retry> {
        if !self.rng.chance(permille) {
            return None;
        }
        let most = if composite { 1 } else { 3 };
        let backoff = self.rng.chance(500).then(|| {
            let cap = self.rng.chance(400).then(|| self.rng.between(2, 6));
            (self.rng.between(1, 4), self.rng.between(1, 3), cap)
        });
        let unless_code =
            (!composite && self.rng.chance(250)).then(|| i32::try_from(self.rng.between(1, 4)).unwrap_or(1));
        Some(Retry {
            limit: u32::try_from(self.rng.between(0, most)).unwrap_or(1),
            policy: *self.rng.pick(&[None, Some("Always"), Some("OnFailure"), Some("OnError")]),
            unless_code,
            backoff,
            max_s: (self.timed && backoff.is_some() && self.rng.chance(200)).then(|| self.rng.between(5, 30)),
        })
    }

    /// Outputs of a Steps or DAG template, taken from what its steps leave.
    pub(super) fn composite_outputs(&mut self, scope: &Scope) -> (Vec<Output>, Looks) {
        let made: Vec<(Piece, Looks)> = scope
            .ended
            .iter()
            .filter(|(piece, _)| matches!(piece, Piece::Step(_, Of::Out | Of::Result)))
            .cloned()
            .collect();
        if made.is_empty() || !self.rng.chance(450) {
            return (Vec::new(), Looks::Any);
        }
        let (from, looks) = self.rng.pick(&made).clone();
        let default = self.rng.chance(600).then(|| self.literal(looks));
        (vec![Output { name: "out".to_owned(), from, default }], looks)
    }

    /// Some text around a value.
    pub(super) fn around(&mut self, piece: Piece) -> Text {
        if self.rng.chance(200) { vec![Piece::Lit("v".to_owned()), piece] } else { vec![piece] }
    }
}

/// A template without any settings.
pub(super) fn bare(name: String, inputs: Vec<Input>, kind: Kind) -> Template {
    Template {
        name,
        inputs,
        kind,
        retry: None,
        parallelism: None,
        fail_fast: false,
        timeout_s: None,
        lock: None,
        outputs: Vec::new(),
    }
}
