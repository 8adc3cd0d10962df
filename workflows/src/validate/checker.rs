//! The checker: what one validation run knows while it walks from template to template.
//! Does not hold the rules: each concern has its own file with another `impl Checker`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Options;
use super::process::MAX_INSERTED;
use super::report::{Place, Reporter};
use super::scope::Scope;
use super::tags;
use crate::diagnostic::Diagnostic;
use crate::resolve::{TemplateHolder, TemplateScope, TemplateSource};
use crate::spec::{Arguments, Artifact, Parameter, Template, TemplateRef, WorkflowSpec};

/// Templates may call templates this deep; deeper calls fail at run time as well.
const MAX_DEPTH: usize = 100;

/// Arguments of a call.
#[derive(Clone, Copy)]
pub(super) enum Args<'a> {
    /// Every input gets a value that is known at run time only.
    Fake,
    /// These.
    Given(&'a Arguments),
}

/// The resource whose templates plain names mean.
#[derive(Clone)]
pub(super) struct Base<'a> {
    /// Its scope.
    pub(super) scope: TemplateScope,
    /// Its spec.
    pub(super) spec: &'a WorkflowSpec,
    /// Pointer of the spec in the document; none for another resource.
    pub(super) pointer: Option<String>,
    index: Rc<BTreeMap<&'a str, usize>>,
}

impl<'a> Base<'a> {
    /// A base; of templates with the same name the first one counts.
    pub(super) fn new(scope: TemplateScope, spec: &'a WorkflowSpec, pointer: Option<String>) -> Self {
        let mut index = BTreeMap::new();
        for (at, template) in spec.templates.iter().enumerate() {
            index.entry(template.name.as_str()).or_insert(at);
        }
        Self { scope, spec, pointer, index: Rc::new(index) }
    }

    /// The template of that name and its index.
    pub(super) fn template(&self, name: &str) -> Option<(usize, &'a Template)> {
        let at = *self.index.get(name)?;
        Some((at, self.spec.templates.get(at)?))
    }

    fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.index.keys().copied()
    }
}

/// What one validation run knows.
pub(super) struct Checker<'a> {
    pub(super) options: Options,
    pub(super) source: &'a dyn TemplateSource,
    pub(super) reporter: Reporter<'a>,
    /// Global variables with their values.
    pub(super) globals: BTreeMap<String, String>,
    /// A template resource on its own.
    pub(super) template_only: bool,
    /// Templates that were checked in full.
    pub(super) done: BTreeSet<String>,
    bases: BTreeMap<String, Base<'a>>,
    called: BTreeMap<String, Rc<Template>>,
    placeholders: usize,
    /// Bytes that may still be inserted for tags.
    pub(super) insert_budget: usize,
    depth: usize,
}

impl<'a> Checker<'a> {
    pub(super) fn new(options: Options, source: &'a dyn TemplateSource, reporter: Reporter<'a>) -> Self {
        Self {
            options,
            source,
            reporter,
            globals: BTreeMap::new(),
            template_only: false,
            done: BTreeSet::new(),
            bases: BTreeMap::new(),
            called: BTreeMap::new(),
            placeholders: 0,
            insert_budget: MAX_INSERTED,
            depth: 0,
        }
    }

    /// A value that is known at run time only.
    pub(super) fn placeholder(&mut self) -> String {
        self.placeholders += 1;
        tags::placeholder(self.placeholders)
    }

    /// Adds a global variable whose value is known at run time only.
    pub(super) fn add_global(&mut self, name: impl Into<String>) {
        let value = self.placeholder();
        self.globals.insert(name.into(), value);
    }

    /// The parameter that arguments give for a name.
    pub(super) fn argument(&mut self, args: Args<'_>, name: &str) -> Option<Parameter> {
        match args {
            Args::Fake => Some(Parameter::literal(name, self.placeholder())),
            Args::Given(arguments) => arguments.parameter(name).cloned(),
        }
    }

    /// The artifact that arguments give for a name.
    pub(super) fn artifact_argument(args: Args<'_>, name: &str) -> Option<Artifact> {
        match args {
            Args::Fake => Some(Artifact { name: name.to_owned(), ..Artifact::default() }),
            Args::Given(arguments) => arguments.artifact(name).cloned(),
        }
    }

    /// The base of another resource.
    pub(super) fn other_base(&mut self, reference: &TemplateRef) -> Option<Base<'a>> {
        let scope = TemplateScope::of_ref(reference);
        let key = scope.to_string();
        if !self.bases.contains_key(&key) {
            let resource = self.source.template_resource(&reference.name, reference.cluster_scope)?;
            self.bases.insert(key.clone(), Base::new(scope, &resource.spec, None));
        }
        self.bases.get(&key).cloned()
    }

    /// Checks the template that a holder names, and returns it if it could be found.
    ///
    /// `caller` are the variables of the caller, which inline templates see too.
    pub(super) fn holder<H: TemplateHolder + ?Sized>(
        &mut self,
        holder: &H,
        base: &Base<'a>,
        args: Args<'_>,
        place: &Place,
        caller: Option<&Scope>,
    ) -> Option<Rc<Template>> {
        if self.depth >= MAX_DEPTH {
            self.reporter.error(
                place,
                "template-depth",
                format!("templates call each other deeper than {MAX_DEPTH} levels"),
            );
            return None;
        }
        self.depth += 1;
        let found = self.holder_inner(holder, base, args, place, caller);
        self.depth -= 1;
        found
    }

    fn holder_inner<H: TemplateHolder + ?Sized>(
        &mut self,
        holder: &H,
        base: &Base<'a>,
        args: Args<'_>,
        place: &Place,
        caller: Option<&Scope>,
    ) -> Option<Rc<Template>> {
        if let Some(reference) = holder.template_ref() {
            if !self.reference_is_whole(holder.template_name(), reference, place) {
                return None;
            }
            if holder.inline_template().is_none() {
                return self.other_template(reference, args, place);
            }
        } else if !holder.template_name().is_empty() && base.template(holder.template_name()).is_none() {
            self.undefined_template(holder.template_name(), base, place);
            return None;
        }
        if let Some(inline) = holder.inline_template() {
            let own = place.field("inline");
            let key = format!("{}/inline{}{}", base.scope, own.pointer, own.trail);
            self.template(inline, base, args, (place, &own), &key, caller);
            return Some(shared(inline));
        }
        let Some((index, template)) = base.template(holder.template_name()) else {
            self.reporter.error_hint(
                place,
                "template-missing",
                "names no template",
                "give `template`, `templateRef` or `inline`",
            );
            return None;
        };
        let own = match &base.pointer {
            Some(pointer) => Place::new(format!("{pointer}/templates/{index}"), ""),
            None => Place { foreign: true, trail: String::new(), ..place.clone() },
        };
        let key = format!("{}/{}", base.scope, template.name);
        self.template(template, base, args, (place, &own), &key, None);
        Some(self.once(&key, template))
    }

    /// Checks a `templateRef`; false when there is nothing to look up.
    fn reference_is_whole(&mut self, template_name: &str, reference: &TemplateRef, place: &Place) -> bool {
        let at = place.field("templateRef");
        if !template_name.is_empty() {
            self.reporter.error(
                place,
                "template-and-ref",
                "template name cannot be specified with templateRef",
            );
            return false;
        }
        if reference.name.is_empty() {
            self.reporter.error(&at, "template-ref-incomplete", "templateRef: resource name is required");
            return false;
        }
        if reference.template.is_empty() {
            self.reporter.error(&at, "template-ref-incomplete", "templateRef: template name is required");
            return false;
        }
        !(reference.name.contains("{{") || reference.template.contains("{{"))
    }

    fn other_template(
        &mut self,
        reference: &TemplateRef,
        args: Args<'_>,
        place: &Place,
    ) -> Option<Rc<Template>> {
        let base = self.other_base(reference);
        let found = base.as_ref().and_then(|base| base.template(&reference.template));
        let (Some(base), Some((_, template))) = (&base, found) else {
            if !tags::has_placeholder(&reference.template) || tags::has_placeholder(&reference.name) {
                self.reference_not_found(reference, base.as_ref(), place);
            } else if base.is_none() {
                self.reference_not_found(reference, None, place);
            }
            return None;
        };
        let own = Place { foreign: true, trail: String::new(), pointer: place.pointer.clone() };
        let key = format!("{}/{}", base.scope, template.name);
        self.template(template, base, args, (place, &own), &key, None);
        Some(self.once(&key, template))
    }

    /// The template as a shared value, copied once.
    fn once(&mut self, key: &str, template: &Template) -> Rc<Template> {
        let known = self.called.get(key).cloned();
        known.unwrap_or_else(|| {
            let template = shared(template);
            self.called.insert(key.to_owned(), Rc::clone(&template));
            template
        })
    }

    fn reference_not_found(&mut self, reference: &TemplateRef, base: Option<&Base<'a>>, place: &Place) {
        let kind = if reference.cluster_scope { "ClusterWorkflowTemplate" } else { "WorkflowTemplate" };
        let hint = match base {
            Some(base) => near(&reference.template, base.names())
                .unwrap_or_else(|| format!("the {kind} has no template of that name")),
            None => {
                let names = self.source.template_names(reference.cluster_scope);
                near(&reference.name, names.iter().map(String::as_str))
                    .unwrap_or_else(|| format!("no such {kind} is known; pass its file along"))
            }
        };
        let text = format!("template reference {}.{} not found", reference.name, reference.template);
        self.reporter.error_hint(&place.field("templateRef"), "template-ref-not-found", text, hint);
    }

    /// Reports a plain name that no template of the base has.
    pub(super) fn undefined_template(&mut self, name: &str, base: &Base<'a>, place: &Place) {
        let text = format!("template name '{}' undefined", tags::readable(name));
        let found = Diagnostic::error("template-undefined", text);
        let found = match near(name, base.names()) {
            Some(hint) => found.hint(hint),
            None => found,
        };
        self.reporter.push(&place.field("template"), found, None);
    }
}

/// A copy, made outside of recursive functions to keep their stack frames small.
#[inline(never)]
fn shared(template: &Template) -> Rc<Template> {
    Rc::new(template.clone())
}

/// A did-you-mean hint.
pub(super) fn near<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    crate::parse::suggest::nearest(name, known).map(|near| format!("did you mean `{near}`?"))
}
