//! The system tests of dlm live in `system/`, as one test binary.
