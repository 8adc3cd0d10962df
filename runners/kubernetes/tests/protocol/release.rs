//! What runs have in the cluster besides running pods: volume claims, and pods that have ended. Against the same FAKE.
//! That a claim is bound and mounted is seen on a real cluster alone.

use runner_runners::Release;
use runner_runners::release::Guests;

use super::*;

const UID: &str = "runner/workflow-uid";

/// An attempt whose run has a claim `<case>-work`.
fn claiming(lab: &Lab, case: &str) -> AttemptSpec {
    let mut spec = lab.spec(case, shell("x"));
    spec.capture_result = false;
    let claim = json!({"metadata": {"name": "work", "labels": {"own": "label"}},
                       "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    spec.claims = vec![serde_json::from_value(claim).unwrap()];
    spec
}

/// The attempt runs to its end.
async fn ran(lab: &Lab, runner: &dyn Runner, spec: AttemptSpec) {
    let (name, (sink, mut events)) = (spec.pod_name.clone(), channel());
    runner.ensure(spec, sink).await.unwrap();
    lab.fake.pod(&name).await;
    lab.fake.runs(&name);
    lab.fake.says(&name, &last(0, vec![]), true);
    finished(&mut events).await;
}

fn given_back(case: &str) -> Release {
    let claims = vec![format!("{case}-work")];
    Release { workflow_uid: format!("uid-{case}"), namespace: "default".into(), claims, guests: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_are_there_before_the_pod_and_go_when_they_are_given_back() {
    let lab = Lab::start().await;
    let runner = lab.runner();
    ran(&lab, &*runner, claiming(&lab, "wf")).await;
    let asked = lab.fake.asked();
    let first = |what: &str| asked.iter().position(|one| one == what).unwrap();
    assert!(first("create persistentvolumeclaims") < first("create pods"));
    let claim = lab.fake.claims()["wf-work"].clone();
    let labels = json!({"own": "label", "workflows.argoproj.io/workflow": "wf", UID: "uid-wf"});
    assert_eq!(
        (&claim["metadata"]["labels"], &claim["spec"]["accessModes"][0]),
        (&labels, &json!("ReadWriteOnce"))
    );
    // Another step of the run finds it.
    let mut second = claiming(&lab, "wf");
    (second.id.node_id, second.pod_name) = ("other".into(), "other-pod".into());
    ran(&lab, &*runner, second).await;
    assert_eq!((lab.fake.claims().len(), lab.fake.pods().len()), (1, 2));
    // Pods that have ended do not keep it.
    runner.release(given_back("wf")).await.unwrap();
    assert_eq!((lab.fake.claims().len(), lab.fake.pods().len()), (0, 2));
    // Done again, it asks for nothing.
    let before = lab.fake.asked().len();
    runner.release(given_back("wf")).await.unwrap();
    runner.release(Release::default()).await.unwrap();
    assert_eq!(lab.fake.asked().len(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_creation_nobody_heard_of_is_adopted_f65() {
    let lab = Lab::start().await;
    lab.fake.trouble(Trouble {
        on: "create persistentvolumeclaims",
        code: 503,
        retry_after: None,
        done: true,
    });
    let runner = lab.runner();
    ran(&lab, &*runner, claiming(&lab, "twice")).await;
    assert_eq!((lab.fake.count("create persistentvolumeclaims"), lab.fake.claims().len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_claim_is_neither_used_nor_deleted() {
    let lab = Lab::start().await;
    lab.fake.put_claim("mine-work", json!({UID: "uid-another"}));
    let (runner, (sink, mut events)) = (lab.runner(), channel());
    runner.ensure(claiming(&lab, "mine"), sink).await.unwrap();
    let exit = finished(&mut events).await;
    assert_eq!((exit.phase, exit.reason), (ExitPhase::Error, Some(Reason::NotStarted)));
    assert!(exit.message.contains("\"mine-work\"") && exit.message.contains("delete it"), "{}", exit.message);
    runner.release(given_back("mine")).await.unwrap();
    assert_eq!((lab.fake.claims().len(), lab.fake.count("delete persistentvolumeclaims")), (1, 0));
    assert_eq!(lab.fake.pods().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_was_cut_off_is_done_by_the_next_engine_f65() {
    let lab = Lab::start().await;
    let runner = lab.runner();
    ran(&lab, &*runner, claiming(&lab, "cut")).await;
    // The engine is killed between the note and the request: the server says nothing until then.
    for _ in 0..40 {
        lab.fake.trouble(Trouble {
            on: "delete persistentvolumeclaims",
            code: 503,
            retry_after: None,
            done: false,
        });
    }
    let cut = tokio::time::timeout(Duration::from_millis(500), runner.release(given_back("cut"))).await;
    assert!(cut.is_err());
    drop(runner);
    assert_eq!(lab.fake.claims().len(), 1);
    lab.fake.forgive();
    lab.runner().release(Release::default()).await.unwrap();
    assert_eq!(lab.fake.claims().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_gets_its_claim_anew_when_the_end_has_deleted_it() {
    let lab = Lab::start().await;
    let runner = lab.runner();
    ran(&lab, &*runner, claiming(&lab, "again")).await;
    runner.release(given_back("again")).await.unwrap();
    let mut retried = claiming(&lab, "again");
    (retried.id.attempt, retried.pod_name) = (1, "again-pod".into());
    let (sink, mut events) = channel();
    runner.ensure(retried, sink).await.unwrap();
    lab.fake.pod("again-pod-1").await;
    assert_eq!(lab.fake.claims().len(), 1);
    lab.fake.runs("again-pod-1");
    lab.fake.says("again-pod-1", &last(0, vec![]), true);
    finished(&mut events).await;
    // What was owed for its first end is not done to the new one.
    runner.release(Release::default()).await.unwrap();
    assert_eq!(lab.fake.claims().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_that_the_run_gives_back_go_and_their_logs_stay() {
    let lab = Lab::start().await;
    let runner = lab.runner();
    let (mut attempts, mut specs) = (Vec::new(), Vec::new());
    for case in ["one", "two"] {
        let mut spec = lab.spec(case, shell("x"));
        spec.capture_result = false;
        spec.template.metadata.labels.insert("part".into(), case.into());
        attempts.push(spec.id.clone());
        specs.push(spec.clone());
        lab.fake.says(&spec.pod_name, b"kept\n", false);
        ran(&lab, &*runner, spec).await;
    }
    let gc = |label: &str, delay: &str| {
        let gc = json!({"strategy": "OnWorkflowCompletion", "deleteDelayDuration": delay,
                        "labelSelector": {"matchLabels": {"part": label}}});
        let guests =
            Guests::of(&serde_json::from_value(gc).unwrap(), attempts.clone(), jiff::Timestamp::now());
        Release { namespace: "default".into(), guests: Some(guests), ..Release::default() }
    };
    runner.release(gc("one", "")).await.unwrap();
    assert_eq!(lab.fake.pods(), ["two-pod".to_owned()].into());
    assert_eq!(log_text(&*runner, &specs[0].id).await, ["kept"]);
    // A delay outlives the engine.
    runner.release(gc("two", "1s")).await.unwrap();
    drop(runner);
    assert_eq!(lab.fake.pods().len(), 1);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    lab.runner().release(Release::default()).await.unwrap();
    assert_eq!(lab.fake.pods().len(), 0);
}
