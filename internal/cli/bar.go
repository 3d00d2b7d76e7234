package cli

import (
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
	"github.com/jedib0t/go-pretty/v6/text"
)

// bar is a progress bar for one transfer. Where standard error is no terminal it does nothing.
type bar struct {
	tracker *progress.Tracker
	done    chan struct{}
}

// bar starts a progress bar; end must be called.
func (a *app) bar(label string, size int64) *bar {
	if !a.screen.errTTY {
		return &bar{}
	}
	columns, _ := a.screen.size()
	w := progress.NewWriter()
	w.SetOutputWriter(a.err)
	w.SetAutoStop(true)
	w.SetUpdateFrequency(100 * time.Millisecond)
	w.SetTrackerLength(max(8, min(30, columns/4)))
	w.SetMessageLength(max(12, min(40, columns/3)))
	w.SetStyle(progress.StyleBlocks)
	w.Style().Visibility.ETA = columns >= 80
	w.Style().Visibility.Speed = columns >= 80
	b := &bar{
		tracker: &progress.Tracker{Message: text.Snip(clean(label), max(12, min(40, columns/3)), "…"), Total: size, Units: progress.UnitsBytes, AutoStopDisabled: true},
		done:    make(chan struct{}),
	}
	w.AppendTracker(b.tracker)
	go func() {
		defer close(b.done)
		w.Render()
	}()
	return b
}

// Write counts bytes that were transferred.
func (b *bar) Write(p []byte) (int, error) {
	if b.tracker != nil {
		b.tracker.Increment(int64(len(p)))
	}
	return len(p), nil
}

// at says how many bytes are transferred, where not all were counted, or some twice.
func (b *bar) at(n int64) {
	if b.tracker != nil {
		b.tracker.SetValue(n)
	}
}

// end shows how it ended and waits until that is drawn.
func (b *bar) end(err error) {
	if b.tracker == nil {
		return
	}
	if err != nil {
		b.tracker.MarkAsErrored()
	} else {
		b.tracker.MarkAsDone()
	}
	<-b.done
}
