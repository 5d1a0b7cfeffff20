"""Annotation jobs over folders of any size, which may be interrupted at any moment and continued.

A job's folder is flat, and holds everything that is known of the job:

    NAME_semantic.json   an image's annotation, whole or not there; with it the image is done
    NAME_semantic.png    its picture, where one was asked for
    _job.json            what the job is: `manifest`
    _failures.jsonl      the images that cannot be done, and why: `failures`
    _job.lock            held by the process at work: `lock`

There is no list of what is done: the files are that list, so that it cannot be wrong.

    sources ─► images ─► ledger ─► runner ─► work ─► storage
     └ tar      what      what is   several   one     └ remote: S3 and others
                there is  to do     at once

`folder` holds a job's files together, `server` waits for a server that went away, and `lanes` are
all servers. `local_engine` runs this in one process, `ray_engine` on many: the ledger stays in the
first, a runner is in each worker.
"""
