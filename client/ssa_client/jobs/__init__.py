"""Annotation jobs over folders of any size, which may be interrupted at any moment and continued.

A job's folder is flat, and holds everything that is known of the job:

    NAME_semantic.json   an image's annotation, whole or not there; with it the image is done
    NAME_semantic.png    its picture, where one was asked for
    _job.json            what the job is: `manifest`
    _failures.jsonl      the images that cannot be done, and why: `failures`
    _job.lock            held by the process at work: `lock`

There is no list of what is done: the files are that list, so that it cannot be wrong. `images`
streams the images, `work` does one, `runner` does all of them, `server` waits for a server that
went away, and `folder` holds the above together.
"""
