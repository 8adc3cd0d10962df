//! Formatting spelled out, and that comments and meaning stay.
//! All files of the corpus are formatted by the tests of the command line.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::format;

#[test]
fn indentation_dashes_and_blank_lines() {
    let text = "\n\n# head\nkind:   Workflow   \nspec:\n    entrypoint: a\n\n\n\n    # about templates\n    templates:\n    \
        # the first\n    -   name: a   # here\n        steps:\n        - - name: b\n            template: c\n          -   name: d\n    \
        - name: c\n      script:\n         source: |\n             if x:\n               y  \n\n\n             z\n         image: i\n\n\n";
    let wanted = "# head\nkind:   Workflow\nspec:\n  entrypoint: a\n\n  # about templates\n  templates:\n    # the first\n    \
        - name: a   # here\n      steps:\n        - - name: b\n            template: c\n          - name: d\n    \
        - name: c\n      script:\n        source: |\n            if x:\n              y  \n\n\n            z\n        image: i\n";
    assert_eq!(format("f.yaml", text).unwrap(), wanted);
    assert_eq!(format("f.yaml", wanted).unwrap(), wanted);
}

#[test]
fn texts_flow_collections_and_documents_keep_their_meaning() {
    let text = "a:\n   b: \"one\n     two\n\n     three\"\n   c: {x: 1,\n       y: [1,\n       2]}\n   d: plain\n     more\n---\n\
        e:\n- f: >-\n     g\n\n     h\n-\n    i: 1\n---\n- j\n-   - k\n    - l\n";
    let new = format("f.yaml", text).unwrap();
    assert_eq!(format("f.yaml", &new).unwrap(), new);
    assert!(new.contains("e:\n  - f: >-\n") && new.contains("- j\n- - k\n  - l\n"), "{new}");
}

#[test]
fn anchors_aliases_and_merge_keys_stay() {
    let text = "x: &x\n    a: 1\n    b: [2]\ny:\n    <<: *x\n    c: *x\nz:\n    - *x\n    - d: 1\n";
    let new = format("f.yaml", text).unwrap();
    assert_eq!(new, "x: &x\n  a: 1\n  b: [2]\ny:\n  <<: *x\n  c: *x\nz:\n  - *x\n  - d: 1\n");
}

#[test]
fn every_comment_stays() {
    let text = "# 1\na: # 2\n     # 3\n     b: 1 # 4\n # 5\n     c:\n     # 6\n     - d\n        # 7\n     - e # 8\n# 9\nf: 1\n# 10\n";
    let new = format("f.yaml", text).unwrap();
    for number in 1..=10 {
        assert!(new.lines().any(|line| line.ends_with(&format!("# {number}"))), "{number} {new}");
    }
    assert_eq!(format("f.yaml", &new).unwrap(), new);
}

#[test]
fn line_ends_marks_and_json() {
    assert_eq!(format("f.yaml", "\u{feff}a: 1\r\nb: 2").unwrap(), "a: 1\nb: 2\n");
    assert_eq!(format("f.json", "  {\"a\": [1,\n2]}\n\n").unwrap(), "{\"a\": [1,\n2]}\n");
    assert_eq!(format("f.yaml", "").unwrap(), "");
    assert_eq!(format("f.yaml", "a: |+\n  x\n\n\n").unwrap(), "a: |+\n  x\n\n\n");
    assert_eq!(format("f.yaml", "a: [\n").unwrap_err()[0].code, "yaml-syntax");
}
