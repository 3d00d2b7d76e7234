// Package workdir knows the folder of a job: where its parameters, inputs,
// logs, results and exit record are, and that nothing outside is read or
// written through it.
//
//	<root>/<id / 1000>/<id>/
//	    params.json            parameters as the command sees them
//	    input/                 input files, hard-linked or copied from the workspace; only where there are any
//	    attempts/<n>/
//	        output/            STINT_OUTPUT_DIR and working directory of the command
//	        tmp/               TMPDIR of the command, emptied when it ends
//	        stdout.<offset>    what it wrote; the name carries the offset of its first byte
//	        stderr.<offset>    likewise
//	        progress           STINT_PROGRESS
//	        exit.json          how it ended; written whole or not at all
//
// An executor keeps private files beside them. The parts before the last
// segment of an output are its head and, beyond a cap, only the end: offsets stay true, so a
// reader sees where something was dropped. An engine that does not cut writes one
// file `stdout` without an offset.
//
// Commands can put anything anywhere below their attempt: whatever is read
// here is taken for a regular file only after looking, and never waited for.
package workdir
