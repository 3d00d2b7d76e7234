//go:build linux

package shim

import (
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stint-jobs/stint/internal/workdir"
)

// outputs are the pipes from a command to its logs: of its standard output and its error output.
type outputs [2]output

// output is one of them. What is written to it is copied by a goroutine, which begins when there is
// something: most of the commands that end at once say nothing.
type output struct {
	to      *os.File // for the command
	from    int      // -1 once it is the copier's, or at its end
	copier  *os.File // nil before it began
	copying sync.WaitGroup
	log     *workdir.LogWriter
}

// newOutputs makes the pipes. After an error, too, they are to be handed over.
func newOutputs(stdout, stderr *workdir.LogWriter) (*outputs, error) {
	o := &outputs{{from: -1, log: stdout}, {from: -1, log: stderr}}
	for i := range o {
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
			return o, os.NewSyscallError("pipe2", err)
		}
		o[i].from, o[i].to = ends[0], os.NewFile(uintptr(ends[1]), "pipe")
	}
	return o, nil
}

// handOver closes the ends that now only the command has.
func (o *outputs) handOver() {
	for i := range o {
		o[i].to.Close()
	}
}

// see takes what poll says of the pipe: that there is something in it, or that it has come to its end empty.
func (p *output) see(events int16) {
	switch {
	case p.from < 0 || events == 0:
	case events == unix.POLLHUP:
		unix.Close(p.from)
		p.from = -1
	default:
		p.begin()
	}
}

// begin copies from now on.
func (p *output) begin() {
	_ = unix.SetNonblock(p.from, true) // if it cannot be, the copier takes a thread and is not bounded
	p.copier = os.NewFile(uintptr(p.from), "pipe")
	p.from = -1
	p.copying.Go(func() { copyOutput(p.log, p.copier) })
}

// finish waits until everything is copied that was written. Whoever still has
// the other end then, though all processes of the command have ended, is not waited for.
func (o *outputs) finish(log *slog.Logger) {
	const patience = 5 * time.Second
	for i := range o {
		p := &o[i]
		if p.from >= 0 {
			now := []unix.PollFd{{Fd: int32(p.from), Events: unix.POLLIN}} //nolint:gosec // a descriptor
			if n, err := unix.Poll(now, 0); n != 1 || err != nil {
				now[0].Revents = unix.POLLIN // somebody still has the other end
			}
			p.see(now[0].Revents)
		}
		if p.copier == nil {
			continue
		}
		if err := p.copier.SetReadDeadline(time.Now().Add(patience)); err != nil {
			log.Error("bound the reading of output", "error", err)
		}
	}
	for i := range o {
		o[i].copying.Wait()
		if o[i].copier != nil {
			o[i].copier.Close()
		}
		if err := o[i].log.Close(); err != nil {
			log.Error("close a log", "error", err)
		}
	}
}

// copyOutput copies until the pipe's end. The log takes everything.
func copyOutput(to *workdir.LogWriter, from *os.File) {
	for buf := make([]byte, 64<<10); ; {
		n, err := from.Read(buf)
		_, _ = to.Write(buf[:n])
		if err != nil {
			return
		}
	}
}
