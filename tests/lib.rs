//! The system tests of dlm are in `system/`, as one test binary.
