// plan -> tasks of each stage -> finalize. Tasks share nothing but the dataset: a folder that all of them see, or a name in S3.
// usage: nextflow run batch/nextflow --inputs '/data/*.g.vcf.gz' --reference /data/GRCh38.fa --dataset /data/cohort.ds --tasks 10
//        nextflow run batch/nextflow -profile slurm --sheet /data/sheet.tsv --dataset /data/cohort.ds
// Inputs are names, not staged files: varbatch reads the parts that a task needs where they are.
nextflow.enable.dsl = 2

process PLAN {
    input:
    val dataset
    val sources

    output:
    path 'plan.json'

    script:
    """
    varbatch plan ${sources} -o '${dataset}' --format json > plan.json
    """
}

process INGEST {
    label 'task'

    input:
    tuple val(dataset), val(sha256), val(index), val(tasks)

    output:
    val index

    script:
    """
    exec varbatch work '${dataset}' --plan-sha256 ${sha256} --stage ingest --task-index ${index} --task-count ${tasks} --threads ${task.cpus}
    """
}

process CALL {
    label 'task'

    input:
    tuple val(dataset), val(sha256), val(index), val(tasks)
    val ingested

    output:
    val index

    script:
    """
    exec varbatch work '${dataset}' --plan-sha256 ${sha256} --stage call --task-index ${index} --task-count ${tasks} --threads ${task.cpus}
    """
}

process FINALIZE {
    input:
    val dataset
    val sha256
    val called

    output:
    val dataset

    script:
    """
    exec varbatch finalize '${dataset}' --plan-sha256 ${sha256}
    """
}

workflow {
    if (!params.dataset || !(params.inputs || params.sheet)) {
        error('needed: --dataset, and --inputs or --sheet')
    }
    def names = params.sheet ? [] : files(params.inputs).collect { input -> input.toUriString() }.sort()
    def listed = params.sheet ? "--inputs '${params.sheet}'" : names.collect { name -> "'${name}'" }.join(' ')
    def fasta = params.reference ? "-f '${params.reference}'" : ''
    def tasks = params.tasks as int
    PLAN(params.dataset, "${listed} ${fasta}".toString())
    def sha256 = PLAN.out.map { plan -> new groovy.json.JsonSlurper().parseText(plan.text).plan_sha256 }.first()
    def shares = channel.of(0..<tasks).combine(sha256).map { index, sha -> tuple(params.dataset, sha, index, tasks) }
    // collect: a stage begins when the one before is complete
    INGEST(shares)
    CALL(shares, INGEST.out.collect())
    FINALIZE(params.dataset, sha256, CALL.out.collect())
}
