// Package local runs jobs on this machine: each attempt is a process group
// under a shim that has no other at the same time, and an attempt that was started is ended with all its processes and with
// the truth about its end on disk, whatever happens to the server meanwhile.
//
// The shim (package shim) is the program stintd-shim, or this program again where that is missing or of
// another build (see findShim), in a session of its own. It
// outlives the server, so a job survives a crash or an upgrade of it. It starts the command, keeps its
// output within a cap, ends it on its time limit or a cancellation, ends
// whatever the command left behind, and writes exit.json. It needs Linux: flock, pidfds, /proc, a
// child subreaper, FIFOs with Linux's semantics, and cgroups v2 where there are any.
//
// # Files
//
// Beside those of package workdir an attempt's folder has:
//
//	gate         locked for moments by whoever decides something about the attempt
//	launch.json  what to run, with a random token: the ticket to start it
//	alive        a FIFO that only the shim holds for writing: its reader learns of the shim's end
//	shim.json    exists once the command may have been started; made once, for ever. It has the shim and its
//	             command as processes, a line each time that more is known, and is locked by the shim
//	             for its whole life: the lock, not a pid, says alive
//	cancel       exists once somebody asked for the cancellation
//	shim.log     what the shim had to say; usually empty
//
// # Why an attempt never runs twice
//
// Start, in the gate: if shim.json exists, the attempt is there and its handle
// is the answer. Otherwise a new launch.json with a new token replaces any older one. Then a
// shim, an idle one or a new one, is told the token, and reports through a socket.
//
// The shim, in the gate: if launch.json has not its token, or shim.json
// exists, it ends without doing anything. Otherwise it makes, locks and writes shim.json, the name of which is
// forced to disk. Only then, outside of the gate, it starts the command.
//
// Find, in the gate: if shim.json exists, the handle is the answer. Otherwise it removes launch.json and answers ErrNotFound. That is definite: a shim that an earlier server
// spawned and that is slow to come finds no ticket of its own any more. A Start
// that follows writes another ticket.
//
// After a loss of power nothing runs, and shim.json says what may have run.
//
// # How an end is learned
//
// Wait reads `alive`, which costs a descriptor but no thread, and looks at
// the lock when the read ends. While it is held the attempt runs. When it is free, exit.json tells the
// end. If there is none the shim was killed: whatever is left of the attempt is
// found, by its cgroup, its process group and the variable STINT_ATTEMPT that its processes inherited,
// and killed, and the end is ErrLost. As a second belt the kernel kills the
// command with its shim. Without cgroups one thing escapes, and only when somebody killed the shim: a
// process that left the session, cleared its environment and has no parent left
// of which that is not true. While the shim lives nothing escapes, because it is a subreaper.
//
// Cancel makes `cancel`, and then signals the shim through a pidfd that is
// checked against shim.json, so that no other process can be hit. The signal, SIGUSR1, only has the shim look for
// `cancel` of what it supervises: it may have gone on to another attempt meanwhile. A shim that is not yet that far looks
// for `cancel` before it starts the command, after it wrote shim.json.
//
// # Idle shims
//
// A shim that is done lets go of everything of the attempt and waits at its socket. The server, which
// learns of the end by the attempt's files as always, counts it as idle, and sends the next order to the one that
// became idle last. A shim ends instead when the server has closed the socket or died, after a minute, when
// something of the attempt could not be ended, or when that was in a sandbox. If it did so before it read an order, the
// socket says so and the attempt is not known to have begun, and another shim gets it with the same ticket. At most eight wait.
//
// # Sandbox
//
// With Config.Sandbox the shim starts bwrap in place of the command. bwrap makes the sandbox and
// runs the shim's program again as the first process in it, which starts the command,
// tells through a pipe how it ended, and ends when nothing is left there:
//
//	shim - bwrap - first process - command and what it starts
//
// The end of each of them is the end of those to its right: bwrap asks the kernel for that, and
// the kernel ends all processes of a namespace with its first. So what the shim signals is the
// command and what it started, and the others only when that was of no use. Whoever ends what a dead
// shim left waits for the first process, which is gone only when all others in the sandbox are.
//
// # Service managers
//
// What ends the server must not end its jobs: under systemd the unit needs
// KillMode=process, and Delegate=yes for cgroups.
package local
