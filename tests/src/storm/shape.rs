//! Random workflows of real shell steps: a DAG with loops, retries, nested steps and values passed on.
//! Knows how often each step has to run; does not run anything.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::random::Random;

/// A workflow and what its ledger must show.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Name of the workflow.
    pub name: String,
    /// The manifest.
    pub yaml: String,
    /// How often each label has to run: once, or once for each try.
    pub runs: BTreeMap<String, u32>,
}

const HEAD: &str = r#"apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  name: NAME
spec:
  entrypoint: storm
  parallelism: 8
  arguments:
    parameters: [{name: pause, value: "0.1"}]
  templates:
  - name: step
    inputs:
      parameters: [{name: label}, {name: value}]
    script:
      image: alpine:3
      command: [sh]
      env:
      - {name: LABEL, value: "{{inputs.parameters.label}}"}
      - {name: VALUE, value: "{{inputs.parameters.value}}"}
      - {name: PAUSE, value: "{{workflow.parameters.pause}}"}
      source: |
        echo "start $RUNNER_STEP_KEY $RUNNER_ATTEMPT $LABEL 0" >> ledger
        sleep "$PAUSE"
        set -- $(printf '%s' "$LABEL $VALUE" | cksum)
        printf '%s' "$1" > /tmp/value
        echo "$1"
        echo "end $RUNNER_STEP_KEY $RUNNER_ATTEMPT $LABEL 0" >> ledger
    outputs:
      parameters: [{name: value, valueFrom: {path: /tmp/value}}]
  - name: flaky
    retryStrategy: {limit: "3"}
    inputs:
      parameters: [{name: label}, {name: value}, {name: failures}]
    script:
      image: alpine:3
      command: [sh]
      env:
      - {name: LABEL, value: "{{inputs.parameters.label}}"}
      - {name: VALUE, value: "{{inputs.parameters.value}}"}
      - {name: PAUSE, value: "{{workflow.parameters.pause}}"}
      - {name: TRY, value: "{{retries}}"}
      - {name: FAILURES, value: "{{inputs.parameters.failures}}"}
      source: |
        echo "start $RUNNER_STEP_KEY $RUNNER_ATTEMPT $LABEL $TRY" >> ledger
        sleep "$PAUSE"
        set -- $(printf '%s' "$LABEL $VALUE $TRY" | cksum)
        printf '%s' "$1" > /tmp/value
        echo "$1"
        echo "end $RUNNER_STEP_KEY $RUNNER_ATTEMPT $LABEL $TRY" >> ledger
        test "$TRY" -ge "$FAILURES"
    outputs:
      parameters: [{name: value, valueFrom: {path: /tmp/value}}]
  - name: pair
    inputs:
      parameters: [{name: label}, {name: value}]
    steps:
    - - name: one
        template: step
        arguments:
          parameters:
          - {name: label, value: "{{inputs.parameters.label}}-one"}
          - {name: value, value: "{{inputs.parameters.value}}"}
    - - name: two
        template: step
        arguments:
          parameters:
          - {name: label, value: "{{inputs.parameters.label}}-two"}
          - {name: value, value: "{{steps.one.outputs.parameters.value}}"}
    outputs:
      parameters:
      - {name: value, valueFrom: {parameter: "{{steps.two.outputs.parameters.value}}"}}
"#;

/// A task that others can depend on: its name, and the tag that stands for its value.
#[derive(Clone)]
struct Made {
    name: String,
    value: String,
    used: Cell<bool>,
}

impl Shape {
    /// A workflow of so many steps (retries and the last one not counted).
    pub fn new(name: &str, steps: u32, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut yaml = HEAD.replace("NAME", name);
        yaml.push_str("  - name: storm\n    dag:\n      tasks:\n");
        let mut shape = Self { name: name.to_owned(), yaml, runs: BTreeMap::new() };
        let (mut number, mut left) = (0, steps.saturating_sub(1));
        let mut layer: Vec<Made> = Vec::new();
        while left > 0 {
            let mut next = Vec::new();
            for _ in 0..=random.below(6) {
                if left == 0 {
                    break;
                }
                next.push(shape.task(&mut random, number, &layer, &mut left));
                number += 1;
            }
            // What nobody has picked up is carried on, so that the last task depends on everything.
            next.extend(layer.drain(..).filter(|made| !made.used.get()));
            layer = next;
        }
        shape.last(&layer);
        shape
    }

    fn task(&mut self, random: &mut Random, number: u32, before: &[Made], left: &mut u32) -> Made {
        let name = format!("t{number}");
        let mut depends: Vec<&Made> = before.iter().filter(|_| random.percent(50)).collect();
        if let (true, Some(first)) = (depends.is_empty(), before.first()) {
            depends.push(first);
        }
        let value = depends.first().map_or("0", |made| made.value.as_str()).to_owned();
        let names: Vec<&str> = depends.iter().map(|made| made.name.as_str()).collect();
        depends.iter().for_each(|made| made.used.set(true));
        let mut text = format!("      - name: {name}\n");
        if !names.is_empty() {
            let _infallible = writeln!(text, "        depends: {}", names.join(" && "));
        }
        let kind = random.below(100);
        let output = if kind < 45 || *left < 4 {
            self.expect(&name, 1);
            *left -= 1;
            text += &call("step", &name, &value, "");
            "outputs.result"
        } else if kind < 65 {
            let failures = 1 + random.below(2);
            self.expect(&name, u32::try_from(failures).unwrap_or(1) + 1);
            *left -= 1;
            text += &call(
                "flaky",
                &name,
                &value,
                &format!("          - {{name: failures, value: \"{failures}\"}}\n"),
            );
            "outputs.parameters.value"
        } else if kind < 75 {
            self.expect(&format!("{name}-one"), 1);
            self.expect(&format!("{name}-two"), 1);
            *left -= 2;
            text += &call("pair", &name, &value, "");
            "outputs.parameters.value"
        } else {
            let count = 2 + random.below(u64::from(*left).min(9) - 2);
            for item in 0..count {
                self.expect(&format!("{name}-{item}"), 1);
            }
            *left -= u32::try_from(count).unwrap_or(*left);
            let items = match kind % 3 {
                0 => format!("        withSequence: {{count: \"{count}\"}}\n"),
                1 => {
                    let items: Vec<String> = (0..count).map(|item| item.to_string()).collect();
                    format!("        withItems: [{}]\n", items.join(", "))
                }
                _ => {
                    let items: Vec<String> = (0..count).map(|item| item.to_string()).collect();
                    format!("        withParam: \"[{}]\"\n", items.join(","))
                }
            };
            text += &call("step", &format!("{name}-{{{{item}}}}"), &value, "");
            text += &items;
            "outputs.result"
        };
        self.yaml += &text;
        Made { value: format!("{{{{tasks.{name}.{output}}}}}"), name, used: Cell::new(false) }
    }

    fn last(&mut self, layer: &[Made]) {
        let names: Vec<&str> = layer.iter().map(|made| made.name.as_str()).collect();
        let values: Vec<&str> = layer.iter().map(|made| made.value.as_str()).collect();
        self.expect("last", 1);
        self.yaml += "      - name: last\n";
        if !names.is_empty() {
            let _infallible = writeln!(self.yaml, "        depends: {}", names.join(" && "));
        }
        let value = values.join(" ");
        self.yaml += &call("step", "last", &value, "");
        self.yaml += "    outputs:\n      parameters:\n      - {name: answer, valueFrom: {parameter: \"{{tasks.last.outputs.parameters.value}}\"}}\n";
    }

    fn expect(&mut self, label: &str, runs: u32) {
        self.runs.insert(label.to_owned(), runs);
    }

    /// Executions in all.
    pub fn executions(&self) -> usize {
        self.runs.values().map(|runs| *runs as usize).sum()
    }
}

fn call(template: &str, label: &str, value: &str, more: &str) -> String {
    format!(
        "        template: {template}\n        arguments:\n          parameters:\n          \
         - {{name: label, value: \"{label}\"}}\n          - {{name: value, value: \"{value}\"}}\n{more}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_one_workflow_of_the_wanted_size() {
        for seed in 0..50 {
            let shape = Shape::new("storm", 200, seed);
            assert_eq!(shape.yaml, Shape::new("storm", 200, seed).yaml);
            assert_eq!(shape.runs.len(), 200, "seed {seed}");
            assert!(shape.executions() >= 200);
        }
        assert_ne!(Shape::new("storm", 200, 1).yaml, Shape::new("storm", 200, 2).yaml);
    }
}
