// Package workdir knows the folder of a job: where its parameters, inputs,
// logs, results and exit record are, and that nothing outside is read or
// written through it.
//
//	<root>/<id / 1000>/<id>/
//	    params.json            parameters as the command sees them
//	    input/                 input files, hard-linked or copied from the workspace
//	    attempts/<n>/
//	        output/            STINT_OUTPUT_DIR and working directory of the command
//	        tmp/               TMPDIR of the command, emptied when it ends
//	        stdout.<offset>    what it wrote; the name carries the offset of its first byte
//	        stderr.<offset>    likewise
//	        progress           STINT_PROGRESS
//	        exit.json          how it ended; written whole or not at all
package workdir
