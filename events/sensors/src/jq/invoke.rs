//! Calls of functions: parameters and definitions in sight, else what is built in.
//! The functions themselves are in `builtins` and `prelude`.

use std::rc::Rc;

use super::ast::{Ast, Def};
use super::builtins;
use super::eval::{Bound, Env, Flow, Item, Machine, Out};

impl Machine {
    /// A function: a parameter or definition in sight, else one that is built in.
    pub(super) fn call<'a>(
        &mut self,
        name: &'a str,
        arguments: &'a [Ast],
        env: &Env<'a>,
        input: Item,
        out: Out<'_>,
    ) -> Flow {
        let found = self.find(env, |binding| match &binding.what {
            Bound::Closure(param, body, outer) if *param == name && arguments.is_empty() => {
                Some(Callee::Closure(body, outer.clone()))
            }
            Bound::Def(def) if def.name == name && def.params.len() == arguments.len() => {
                Some(Callee::Def(def, Env(Some(Rc::clone(binding)))))
            }
            _ => None,
        })?;
        match found {
            Some(Callee::Closure(body, outer)) => self.eval(body, &outer, input, out),
            Some(Callee::Def(def, scope)) => self.call_def(def, arguments, scope, env, input, out),
            None => builtins::call(self, name, arguments, env, &input, out),
        }
    }

    fn call_def<'a>(
        &mut self,
        def: &'a Def,
        arguments: &'a [Ast],
        scope: Env<'a>,
        env: &Env<'a>,
        input: Item,
        out: Out<'_>,
    ) -> Flow {
        let Some((param, argument)) =
            def.params.iter().zip(arguments).find(|(param, _)| param.starts_with('$'))
        else {
            let mut inner = scope;
            for (param, argument) in def.params.iter().zip(arguments) {
                inner = inner.with(Bound::Closure(param, argument, env.clone()));
            }
            return self.eval(&def.body, &inner, input, out);
        };
        let _ = (param, argument);
        self.call_with_values(def, arguments, 0, scope, env, &input, out)
    }

    /// A definition with parameters that are values (`$name`): once for each combination of them.
    #[expect(clippy::too_many_arguments, reason = "the state of a loop over parameters")]
    fn call_with_values<'a>(
        &mut self,
        def: &'a Def,
        arguments: &'a [Ast],
        from: usize,
        scope: Env<'a>,
        env: &Env<'a>,
        input: &Item,
        out: Out<'_>,
    ) -> Flow {
        let (Some(param), Some(argument)) = (def.params.get(from), arguments.get(from)) else {
            return self.eval(&def.body, &scope, input.clone(), out);
        };
        let Some(name) = param.strip_prefix('$') else {
            let scope = scope.with(Bound::Closure(param, argument, env.clone()));
            return self.call_with_values(def, arguments, from + 1, scope, env, input, out);
        };
        self.eval(argument, env, Item::plain(input.value.clone()), &mut |machine, item| {
            let scope =
                scope.with(Bound::Var(name, item.value)).with(Bound::Closure(name, argument, env.clone()));
            machine.call_with_values(def, arguments, from + 1, scope, env, input, out)
        })
    }
}

enum Callee<'a> {
    Closure(&'a Ast, Env<'a>),
    Def(&'a Def, Env<'a>),
}
