//! RUNS A TYPED STEP: the work of http, data and plugin templates, done inside a supervised process of this binary.
//! Starts no process by itself and remembers nothing: the process runner does both.
