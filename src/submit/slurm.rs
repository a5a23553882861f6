//! Slurm: scripts for `sbatch`, which reads them from standard input.

use super::{Submission, shell_line};

/// What only Slurm needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slurm {
    /// The program on the machines of the cluster.
    pub program: String,
    /// Most tasks of an array: one less than MaxArraySize of the cluster.
    pub largest_array: u64,
    /// Further options of `sbatch`, as they are.
    pub options: Vec<String>,
}

/// One script, and the scripts before it whose jobs it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Text.
    pub text: String,
    /// Indexes of scripts.
    pub after: Vec<usize>,
}

impl Slurm {
    /// All scripts of a submission, in the order in which they are submitted.
    pub fn scripts(&self, submission: &Submission) -> Vec<Script> {
        let mut scripts: Vec<Script> = Vec::new();
        let mut before: Vec<usize> = Vec::new();
        for stage in &submission.stages {
            let first = scripts.len();
            for part in stage.arrays(self.largest_array) {
                let array = (part.n > 1).then_some(part.n);
                let resources = Some((submission.cpus, submission.memory_mib));
                let arguments = submission.work_arguments(stage, part);
                let text = self.script(&submission.job_name(stage.stage), array, resources, arguments);
                scripts.push(Script { text, after: before.clone() });
            }
            before = (first..scripts.len()).collect();
        }
        let text = self.script(&submission.job_name("finalize"), None, None, submission.finalize_arguments());
        scripts.push(Script { text, after: before });
        scripts
    }

    fn script(&self, name: &str, array: Option<u64>, resources: Option<(u32, u64)>, arguments: Vec<String>) -> String {
        let mut text = format!("#!/bin/sh\n#SBATCH --job-name={name}\n");
        if let Some(n) = array {
            text += &format!("#SBATCH --array=0-{}\n", n - 1);
        }
        if let Some((cpus, memory_mib)) = resources {
            text += &format!("#SBATCH --cpus-per-task={cpus}\n#SBATCH --mem={memory_mib}M\n");
        }
        // a task that is moved goes on with what it had committed; a minute is enough to end well
        text += "#SBATCH --requeue\n#SBATCH --open-mode=append\n#SBATCH --signal=B:TERM@60\n";
        for option in &self.options {
            text += &format!("#SBATCH {option}\n");
        }
        let words: Vec<String> = std::iter::once(self.program.clone()).chain(arguments).collect();
        // exec: signals reach the program, not a shell that does not pass them on
        text + &format!("exec {}\n", shell_line(&words))
    }
}

impl Script {
    /// Arguments of `sbatch`. `ids`: of the jobs of the scripts before, by index.
    pub fn sbatch_arguments(&self, ids: &[String]) -> Vec<String> {
        let mut arguments = vec!["--parsable".to_string()];
        if !self.after.is_empty() {
            let ids: Vec<&str> = self.after.iter().map(|&i| ids[i].as_str()).collect();
            arguments.push(format!("--dependency=afterok:{}", ids.join(":")));
            arguments.push("--kill-on-invalid-dep=yes".into());
        }
        arguments
    }
}
