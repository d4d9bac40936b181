//! The behaviors that must hold. Each test is named after its behavior's number.

mod authentication_turned_on;
mod clocks;
mod events;
mod fairness;
mod guards;
mod hang_ups;
mod idempotency;
mod lagging_subscribers;
mod lease_loss;
mod locks;
mod log_readers;
mod mass;
mod overload;
mod overview;
mod ownership;
mod persistence;
mod queue;
mod quotas;
mod read_load;
mod renewal;
mod restore;
mod sdk;
mod session;
mod sizes;
mod token_monotonicity;
mod tokens;
