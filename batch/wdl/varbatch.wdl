version 1.0

# plan -> tasks -> finalize, with inputs and dataset on S3 (tasks share nothing but the dataset).
workflow varbatch {
  input {
    Array[String] inputs
    String dataset
    String? reference
    Int tasks = 10
    String image = "varbatch"
  }
  call plan { input: inputs = inputs, dataset = dataset, reference = reference, image = image }
  scatter (index in range(tasks)) {
    call work as ingest { input: dataset = dataset, sha256 = plan.sha256, stage = "ingest", index = index, tasks = tasks, image = image }
  }
  scatter (index in range(tasks)) {
    call work as rows {
      input: dataset = dataset, sha256 = plan.sha256, stage = "call", index = index, tasks = tasks, image = image, after = ingest.done
    }
  }
  call finalize { input: dataset = dataset, sha256 = plan.sha256, image = image, after = rows.done }
  output { String published = finalize.published }
}

task plan {
  input {
    Array[String] inputs
    String dataset
    String? reference
    String image
  }
  command <<<
    varbatch plan ~{sep=" " inputs} ~{"-f " + reference} -o ~{dataset} --format json > plan.json
    grep -o '"plan_sha256":"[0-9a-f]*"' plan.json | cut -d '"' -f 4
  >>>
  output { String sha256 = read_string(stdout()) }
  runtime { docker: image }
}

task work {
  input {
    String dataset
    String sha256
    String stage
    Int index
    Int tasks
    String image
    Array[Boolean] after = []
  }
  command <<<
    exec varbatch work ~{dataset} --plan-sha256 ~{sha256} --stage ~{stage} --task-index ~{index} --task-count ~{tasks} --threads 4
  >>>
  output { Boolean done = true }
  runtime {
    docker: image
    cpu: 4
    memory: "8 GB"
    maxRetries: 4
  }
}

task finalize {
  input {
    String dataset
    String sha256
    String image
    Array[Boolean] after
  }
  command <<<
    exec varbatch finalize ~{dataset} --plan-sha256 ~{sha256}
  >>>
  output { String published = dataset }
  runtime { docker: image }
}
