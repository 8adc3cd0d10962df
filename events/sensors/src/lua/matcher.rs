//! Lua's patterns with a budget: the C library's own can take forever on chosen text, and no hook interrupts it.
//! Does not know Lua's values: `patterns` does.

/// Deepest recursion, as in Lua.
const DEPTH_LIMIT: usize = 180;
/// Most captures, as in Lua.
const CAPTURES: usize = 32;

/// What a pair of parentheses caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capture {
    /// Not closed yet.
    Open(usize),
    /// From, to.
    Text(usize, usize),
    /// `()`: a position.
    Position(usize),
}

/// One match of a pattern.
pub(super) struct Matcher<'a> {
    text: &'a [u8],
    pattern: &'a [u8],
    pub(super) captures: Vec<Capture>,
    depth: usize,
    /// Steps that are left.
    pub(super) steps: u64,
}

type Step<T> = Result<T, String>;

impl<'a> Matcher<'a> {
    pub(super) fn new(text: &'a [u8], pattern: &'a [u8], steps: u64) -> Self {
        Self { text, pattern, captures: Vec::new(), depth: 0, steps }
    }

    /// The end of the match that begins at `from`, if there is one.
    pub(super) fn at(&mut self, from: usize, pattern: usize) -> Step<Option<usize>> {
        self.captures.clear();
        self.depth = 0;
        self.run(from, pattern)
    }

    fn spend(&mut self) -> Step<()> {
        self.steps = self.steps.checked_sub(1).ok_or("the pattern takes too many steps on this text")?;
        Ok(())
    }

    fn run(&mut self, s: usize, p: usize) -> Step<Option<usize>> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err("pattern too complex".to_owned());
        }
        let result = self.inner(s, p);
        self.depth -= 1;
        result
    }

    fn inner(&mut self, mut s: usize, mut p: usize) -> Step<Option<usize>> {
        loop {
            self.spend()?;
            let Some(first) = self.pattern.get(p) else { return Ok(Some(s)) };
            let next = self.pattern.get(p + 1).copied();
            match (first, next) {
                (b'(', Some(b')')) => return self.open(Capture::Position(s), s, p + 2),
                (b'(', _) => return self.open(Capture::Open(s), s, p + 1),
                (b')', _) => return self.close(s, p + 1),
                (b'$', None) => return Ok((s == self.text.len()).then_some(s)),
                (b'%', Some(b'b')) => match self.balanced(s, p + 2)? {
                    Some(end) => (s, p) = (end, p + 4),
                    None => return Ok(None),
                },
                (b'%', Some(b'f')) => match self.frontier(s, p + 2)? {
                    Some(behind) => p = behind,
                    None => return Ok(None),
                },
                (b'%', Some(digit)) if digit.is_ascii_digit() => match self.again(s, digit)? {
                    Some(end) => (s, p) = (end, p + 2),
                    None => return Ok(None),
                },
                _ => match self.single_or_repeated(s, p)? {
                    Next::Done(end) => return Ok(end),
                    Next::Go(to, pattern) => (s, p) = (to, pattern),
                },
            }
        }
    }

    fn single_or_repeated(&mut self, s: usize, p: usize) -> Step<Next> {
        let end = self.class_end(p)?;
        let fits = self.fits(s, p, end);
        Ok(match self.pattern.get(end) {
            Some(b'?') => {
                if fits && let Some(found) = self.run(s + 1, end + 1)? {
                    return Ok(Next::Done(Some(found)));
                }
                Next::Go(s, end + 1)
            }
            Some(b'+') if fits => Next::Done(self.most(s + 1, p, end)?),
            Some(b'*') => Next::Done(self.most(s, p, end)?),
            Some(b'-') => Next::Done(self.least(s, p, end)?),
            _ if fits => Next::Go(s + 1, end),
            _ => Next::Done(None),
        })
    }

    fn most(&mut self, s: usize, p: usize, end: usize) -> Step<Option<usize>> {
        let mut count = 0;
        while self.fits(s + count, p, end) {
            self.spend()?;
            count += 1;
        }
        loop {
            if let Some(found) = self.run(s + count, end + 1)? {
                return Ok(Some(found));
            }
            if count == 0 {
                return Ok(None);
            }
            count -= 1;
        }
    }

    fn least(&mut self, mut s: usize, p: usize, end: usize) -> Step<Option<usize>> {
        loop {
            if let Some(found) = self.run(s, end + 1)? {
                return Ok(Some(found));
            }
            if !self.fits(s, p, end) {
                return Ok(None);
            }
            s += 1;
        }
    }

    fn open(&mut self, capture: Capture, s: usize, p: usize) -> Step<Option<usize>> {
        if self.captures.len() >= CAPTURES {
            return Err("too many captures".to_owned());
        }
        self.captures.push(capture);
        let result = self.run(s, p)?;
        if result.is_none() {
            self.captures.pop();
        }
        Ok(result)
    }

    fn close(&mut self, s: usize, p: usize) -> Step<Option<usize>> {
        let open = self.captures.iter().rposition(|capture| matches!(capture, Capture::Open(_)));
        let slot = open.and_then(|at| self.captures.get_mut(at).map(|slot| (at, slot)));
        let Some((at, slot)) = slot else { return Err("invalid pattern capture".to_owned()) };
        let before = *slot;
        if let Capture::Open(from) = before {
            *slot = Capture::Text(from, s);
        }
        let result = self.run(s, p)?;
        if result.is_none()
            && let Some(slot) = self.captures.get_mut(at)
        {
            *slot = before;
        }
        Ok(result)
    }

    fn balanced(&mut self, s: usize, p: usize) -> Step<Option<usize>> {
        let (Some(open), Some(close)) = (self.pattern.get(p).copied(), self.pattern.get(p + 1).copied())
        else {
            return Err("malformed pattern (missing arguments to '%b')".to_owned());
        };
        if self.text.get(s) != Some(&open) {
            return Ok(None);
        }
        let mut depth = 1_usize;
        let mut at = s + 1;
        while let Some(c) = self.text.get(at).copied() {
            self.spend()?;
            if c == close {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at + 1));
                }
            } else if c == open {
                depth += 1;
            }
            at += 1;
        }
        Ok(None)
    }

    fn frontier(&mut self, s: usize, p: usize) -> Step<Option<usize>> {
        if self.pattern.get(p) != Some(&b'[') {
            return Err("missing '[' after '%f' in pattern".to_owned());
        }
        let end = self.class_end(p)?;
        let before = s.checked_sub(1).and_then(|at| self.text.get(at)).copied().unwrap_or(0);
        let here = self.text.get(s).copied().unwrap_or(0);
        Ok((!self.in_set(before, p, end - 1) && self.in_set(here, p, end - 1)).then_some(end))
    }

    fn again(&mut self, s: usize, digit: u8) -> Step<Option<usize>> {
        let index = usize::from(digit).checked_sub(usize::from(b'1'));
        let capture = index.and_then(|index| self.captures.get(index)).copied();
        let Some(Capture::Text(from, to)) = capture else {
            return Err(format!("invalid capture index %{}", char::from(digit)));
        };
        let length = to - from;
        self.steps = self.steps.saturating_sub(length as u64);
        let same = self.text.get(from..to) == self.text.get(s..s + length);
        Ok(same.then_some(s + length))
    }

    fn class_end(&self, p: usize) -> Step<usize> {
        match self.pattern.get(p) {
            Some(b'%') if self.pattern.get(p + 1).is_none() => {
                Err("malformed pattern (ends with '%')".to_owned())
            }
            Some(b'%') => Ok(p + 2),
            Some(b'[') => {
                let mut at = p + 1;
                if self.pattern.get(at) == Some(&b'^') {
                    at += 1;
                }
                let mut first = true;
                loop {
                    match self.pattern.get(at) {
                        None => return Err("malformed pattern (missing ']')".to_owned()),
                        Some(b']') if !first => return Ok(at + 1),
                        Some(b'%') => at += 2,
                        Some(_) => at += 1,
                    }
                    first = false;
                }
            }
            _ => Ok(p + 1),
        }
    }

    fn fits(&self, s: usize, p: usize, end: usize) -> bool {
        let Some(c) = self.text.get(s).copied() else { return false };
        match self.pattern.get(p) {
            Some(b'.') => true,
            Some(b'%') => self.pattern.get(p + 1).is_some_and(|class| in_class(c, *class)),
            Some(b'[') => self.in_set(c, p, end - 1),
            Some(other) => *other == c,
            None => false,
        }
    }

    /// Whether a byte is in the set that begins at `p` and whose `]` is at `close`.
    fn in_set(&self, c: u8, p: usize, close: usize) -> bool {
        let mut at = p + 1;
        let negated = self.pattern.get(at) == Some(&b'^');
        at += usize::from(negated);
        let byte = |at: usize| self.pattern.get(at).copied().unwrap_or(0);
        while at < close {
            if byte(at) == b'%' {
                if in_class(c, byte(at + 1)) {
                    return !negated;
                }
                at += 2;
            } else if byte(at + 1) == b'-' && at + 2 < close {
                if (byte(at)..=byte(at + 2)).contains(&c) {
                    return !negated;
                }
                at += 3;
            } else {
                if byte(at) == c {
                    return !negated;
                }
                at += 1;
            }
        }
        negated
    }
}

enum Next {
    Done(Option<usize>),
    Go(usize, usize),
}

fn in_class(c: u8, class: u8) -> bool {
    let found = match class.to_ascii_lowercase() {
        b'a' => c.is_ascii_alphabetic(),
        b'c' => c.is_ascii_control(),
        b'd' => c.is_ascii_digit(),
        b'g' => c.is_ascii_graphic(),
        b'l' => c.is_ascii_lowercase(),
        b'p' => c.is_ascii_punctuation(),
        b's' => c.is_ascii_whitespace() || c == 0x0b,
        b'u' => c.is_ascii_uppercase(),
        b'w' => c.is_ascii_alphanumeric(),
        b'x' => c.is_ascii_hexdigit(),
        _ => return class == c,
    };
    found != class.is_ascii_uppercase()
}
