//! Failures between two commands, for tests.

use std::sync::Mutex;

use super::connection::Failure;

/// Fails one command, and all that follow it.
#[derive(Default)]
pub(super) struct Faults {
    plan: Mutex<Option<Plan>>,
}

struct Plan {
    /// How many commands still succeed.
    left: usize,
    /// Whether the command that fails has an effect.
    after: bool,
    failed: bool,
}

impl Faults {
    /// Fails the command after `left` others, before it is sent or after it was answered.
    pub(super) fn plan(&self, left: usize, after: bool) {
        *self.plan.lock().unwrap() = Some(Plan { left, after, failed: false });
    }

    /// Ends the plan. Returns whether a command has failed.
    pub(super) fn clear(&self) -> bool {
        self.plan.lock().unwrap().take().is_some_and(|plan| plan.failed)
    }

    pub(super) fn before(&self) -> Result<(), Failure> {
        self.fail_if(|plan| plan.failed || (plan.left == 0 && !plan.after))
    }

    pub(super) fn after(&self) -> Result<(), Failure> {
        self.fail_if(|plan| plan.left == 0)?;
        if let Some(plan) = &mut *self.plan.lock().unwrap() {
            plan.left -= 1;
        }
        Ok(())
    }

    fn fail_if(&self, condition: impl Fn(&Plan) -> bool) -> Result<(), Failure> {
        match &mut *self.plan.lock().unwrap() {
            Some(plan) if condition(plan) => {
                plan.failed = true;
                Err(Failure::TimedOut)
            }
            _ => Ok(()),
        }
    }
}
