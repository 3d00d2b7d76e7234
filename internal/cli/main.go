package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/grpc"
)

// Main runs the command line with its arguments, without the program's name,
// and answers the exit code that the process should end with.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	return newApp(in, out, errOut).run(args)
}

// app is what all verbs share.
type app struct {
	in     io.Reader
	out    *stickyWriter
	err    io.Writer
	screen screen
	link   link
	wait   waiter

	conn *grpc.ClientConn
	// anonymous connects without credentials.
	anonymous bool
	// started says that a verb's own code ran, so that an error is not one of usage.
	started bool
	// afterSignal is said when a signal ends the program: what becomes of the job.
	afterSignal string
}

func newApp(in io.Reader, out, errOut io.Writer) *app {
	a := &app{
		in:     in,
		out:    &stickyWriter{w: out},
		err:    errOut,
		screen: newScreen(out, errOut),
		wait:   pause,
	}
	a.screen.asks = isTerminal(in) && isTerminal(errOut)
	return a
}

func (a *app) run(args []string) int {
	ctx, stop := withSignals(context.Background())
	defer stop()
	root := newRootCommand(a)
	root.SetArgs(append([]string{}, args...)) // never nil, for which cobra takes the process's own
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if err != nil && !a.started {
		err = asUsage(err)
	}
	if a.conn != nil {
		_ = a.conn.Close() // the answer is already there, or the error is
	}
	if err == nil {
		err = a.out.err
	}
	return a.finish(ctx, err)
}

// stickyWriter keeps the first error, so that printing need not check each
// line but a full disk still ends with exit code 1.
type stickyWriter struct {
	w   io.Writer
	err error
}

// Write writes unless an earlier write failed.
func (s *stickyWriter) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.w.Write(p)
	s.err = err
	return n, err
}

// signalError is why everything stops when the user or the system asks for that.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string { return "stopped by signal: " + e.signal.String() }

// withSignals ends the context on the first SIGINT or SIGTERM. A second one
// ends the process at once, as if this were not here.
func withSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals, quit, done := make(chan os.Signal, 1), make(chan struct{}), make(chan struct{})
	if !signal.Ignored(os.Interrupt) { // as in `stint watch &` of a script: Ctrl-C is not meant for it
		signal.Notify(signals, os.Interrupt)
	}
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		defer close(done)
		select {
		case s := <-signals:
			signal.Stop(signals)
			cancel(&signalError{s})
		case <-quit:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(quit)
		<-done
		cancel(nil)
	}
}

// signalled answers the signal that ended ctx, or nil.
func signalled(ctx context.Context) os.Signal {
	if s, ok := errors.AsType[*signalError](context.Cause(ctx)); ok {
		return s.signal
	}
	return nil
}
