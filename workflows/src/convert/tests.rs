//! Conversions spelled out, with their comments, and files that are refused.
//! All files of the corpus are converted by the tests of the command line.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn converted(text: &str) -> String {
    convert("f.yaml", text).unwrap().text
}

const HEAD: &str = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\n";

#[test]
fn a_schedule_becomes_a_list_and_keeps_its_comment() {
    let cron = "kind: CronWorkflow\nspec:\n  # nightly\n  schedule: '0 0 1,15 * *' # twice a month\n  suspend: true\n";
    let wanted = cron.replace("schedule: '0 0 1,15 * *'", "schedules:\n  - 0 0 1,15 * *");
    assert_eq!(converted(cron), wanted);
    let plain = "kind: CronWorkflow\nspec:\n  schedule: 0 0 1,15 * *\n";
    assert_eq!(converted(plain), "kind: CronWorkflow\nspec:\n  schedules:\n  - 0 0 1,15 * *\n");
    let both = "kind: CronWorkflow\nspec:\n  schedules:\n  - a # x\n  - b\n  schedule: '* * * * *'\n";
    assert_eq!(converted(both), "kind: CronWorkflow\nspec:\n  schedules:\n  - '* * * * *'\n");
    let flow = "{\"kind\": \"CronWorkflow\", \"spec\": {\"schedule\": \"@daily\"}}";
    assert_eq!(converted(flow), "{\"kind\": \"CronWorkflow\", \"spec\": {\"schedules\": [\"@daily\"]}}");
    let stop = "kind: CronWorkflow\nspec:\n  stopStrategy:\n    condition: failed >= 1 # stop\n";
    assert_eq!(converted(stop), stop.replace("condition", "expression"));
}

#[test]
fn locks_become_lists_with_their_comments() {
    let text = format!(
        "{HEAD}spec:\n  synchronization:\n    # one at a time\n    mutex:\n      # the name\n      name: a # b\n\
         \n      database: true\n    semaphore: {{ configMapKeyRef: {{name: m, key: k}} }} # c\n  templates:\n\
         \x20 - name: t\n    synchronization:\n      mutex: {{name: x}}\n"
    );
    let wanted = format!(
        "{HEAD}spec:\n  synchronization:\n    # one at a time\n    mutexes:\n        # the name\n      - name: a # b\n\
         \n        database: true\n    semaphores: [{{ configMapKeyRef: {{name: m, key: k}} }}] # c\n  templates:\n\
         \x20 - name: t\n    synchronization:\n      mutexes: [{{name: x}}]\n"
    );
    assert_eq!(converted(&text), wanted);
    let changes = convert("f.yaml", &text).unwrap().changes;
    let changes: Vec<_> = changes.iter().map(|change| (change.line, change.from)).collect();
    assert_eq!(changes, [(6, "mutex"), (11, "semaphore"), (15, "mutex")]);
}

#[test]
fn a_single_lock_goes_behind_those_of_the_list() {
    let block = format!(
        "{HEAD}spec:\n  synchronization:\n    mutex:\n      name: one\n    mutexes:\n    - name: two # 2\n"
    );
    let wanted = format!(
        "{HEAD}spec:\n  synchronization:\n    mutexes:\n    - name: two # 2\n    - {{\"name\":\"one\"}}\n"
    );
    assert_eq!(converted(&block), wanted);
    let flow =
        format!("{HEAD}spec:\n  synchronization:\n    mutexes: [{{name: two}}]\n    mutex: {{name: one}}\n");
    let wanted =
        format!("{HEAD}spec:\n  synchronization:\n    mutexes: [{{name: two}}, {{\"name\":\"one\"}}]\n");
    assert_eq!(converted(&flow), wanted);
}

#[test]
fn inline_templates_and_all_documents_are_converted() {
    let text = "kind: WorkflowTemplate\nspec:\n  templates:\n  - name: a\n    steps:\n    - - name: b\n        inline:\n\
        \x20         synchronization:\n            semaphore:\n              database:\n                key: k\n---\n\
        kind: CronWorkflow\nspec:\n  schedule: '@daily'\n  workflowSpec:\n    synchronization:\n      mutex:\n\
        \x20       name: m\n";
    let new = converted(text);
    assert!(new.contains("semaphores:\n              - database:\n                  key: k\n---\n"), "{new}");
    assert!(
        new.contains("schedules:\n  - '@daily'\n") && new.contains("mutexes:\n        - name: m\n"),
        "{new}"
    );
}

#[test]
fn what_is_new_already_or_of_another_kind_stays() {
    for text in [
        "kind: CronWorkflow\nspec:\n  schedules: ['@daily']\n",
        "kind: ConfigMap\nspec:\n  schedule: x\n",
        "kind: Workflow\nmetadata:\n  name: schedule # mutex: semaphore:\nspec: {}\n",
        "",
    ] {
        let result = convert("f.yaml", text).unwrap();
        assert_eq!((result.text.as_str(), result.changes.len()), (text, 0));
    }
}

#[test]
fn what_cannot_be_converted_safely_is_refused_with_its_place() {
    for text in [
        "kind: Workflow\nx: &m {name: a}\nspec:\n  synchronization:\n    mutex: *m\n",
        "kind: Workflow\nspec:\n  synchronization:\n    mutex: &m\n      name: a\n",
        "kind: Workflow\nspec:\n  synchronization: {mutex: {name: a}, mutexes: [{name: b}]}\n",
    ] {
        let problems = convert("f.yaml", text).unwrap_err();
        assert_eq!(problems[0].code, "convert", "{text}");
        assert!(problems[0].span.is_some());
    }
    assert_eq!(convert("f.yaml", "a: [\n").unwrap_err()[0].code, "yaml-syntax");
}

#[test]
fn converting_twice_changes_nothing_more() {
    let text = "kind: CronWorkflow\nspec:\n  schedule: |\n    @daily\n  workflowSpec:\n    synchronization:\n      mutex:\n        name: m\n";
    let once = converted(text);
    assert_eq!(convert("f.yaml", &once).unwrap().changes, []);
}
