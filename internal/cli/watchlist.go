package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// redrawEvery is the shortest time between two drawings of a live list: many
// changes at once cost one.
const redrawEvery = 300 * time.Millisecond

// watchList is `stint list --watch`. On a terminal the list is drawn anew when
// a job changes; in a pipe, or in another format, each change of a job that is
// or was in the list is printed.
func (a *app) watchList(ctx context.Context, o *listOptions, req *jobsv1.ListRequest) error {
	page, err := a.listPages(ctx, req, o.limit)
	if err != nil {
		return err
	}
	f, err := a.follow(&jobsv1.WatchStatusRequest{
		Owner: req.GetOwner(), AfterCursor: page.GetCursor(), View: jobsv1.WatchView_WATCH_VIEW_CHANGES,
	}, o.patience)
	if err != nil {
		return err
	}
	if a.screen.cursor && *o.format == asTable {
		return a.drawList(ctx, &liveList{app: a, options: o, request: req}, f)
	}
	printer := &changePrinter{w: a.out, screen: a.screen, format: *o.format, tabs: !a.screen.tty}
	shown := make(map[string]bool)
	for _, j := range page.GetJobs() {
		shown[j.GetId()] = true
		first := &jobsv1.WatchStatusResponse{Event: &jobsv1.WatchStatusResponse_Job{Job: j}}
		if err := printer.print(change{frame: first}); err != nil {
			return err
		}
	}
	return f.run(ctx, func(c change) error {
		id := changedID(c.frame)
		if !shown[id] {
			matches, err := a.matches(ctx, req, id)
			if err != nil || !matches {
				return err
			}
			shown[id] = true
		}
		return printer.print(c)
	})
}

// matches asks whether a job is among those that a list request asks for.
func (a *app) matches(ctx context.Context, req *jobsv1.ListRequest, id string) (bool, error) {
	if req.GetFilter() == "" {
		return true, nil
	}
	one := &jobsv1.ListRequest{
		Filter: "id = " + quoted(id) + " AND (" + req.GetFilter() + ")",
		Owner:  req.GetOwner(), View: jobsv1.JobView_JOB_VIEW_BASIC,
	}
	page, err := a.listPages(ctx, one, 1)
	return len(page.GetJobs()) > 0, err
}

// liveList draws a list over its last drawing.
type liveList struct {
	app     *app
	options *listOptions
	request *jobsv1.ListRequest
	lines   int
}

// drawList draws the list now and whenever something changed, at most every redrawEvery.
func (a *app) drawList(ctx context.Context, l *liveList, f *follower) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.quiet = true
	changed, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- f.run(ctx, func(change) error {
			select {
			case changed <- struct{}{}:
			default: // a drawing is due already
			}
			return nil
		})
	}()
	for {
		if err := l.draw(ctx); err != nil && !streamLost(err) {
			cancel()
			return errors.Join(err, notCancelled(<-ended))
		}
		select {
		case err := <-ended:
			return err
		case <-changed:
		case <-time.After(time.Second): // running jobs' times go on
		}
		if err := pause(ctx, redrawEvery); err != nil {
			return <-ended
		}
	}
}

// notCancelled answers err unless it only says that the watch was given up here.
func notCancelled(err error) error {
	if s, ok := callStatus(err); ok && s.Code() == codes.Canceled || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// draw asks for the list and prints it over the last one.
func (l *liveList) draw(ctx context.Context) error {
	_, rows := l.app.screen.size()
	limit := max(1, min(l.options.limit, rows-4))
	page, err := l.app.listPages(ctx, l.request, limit)
	if err != nil {
		return err
	}
	var buf strings.Builder
	fmt.Fprintln(&buf, l.app.screen.paint(faint, time.Now().Format("2006-01-02 15:04:05 MST")+"  Ctrl-C ends"))
	l.app.jobGrid(page.GetJobs(), l.request.GetOwner() != "").print(&buf, l.app.screen)
	fmt.Fprintln(&buf, l.app.screen.paint(faint, listFooter(page)))
	up := ""
	if l.lines > 0 {
		up = fmt.Sprintf("\x1b[%dA\r\x1b[J", l.lines)
	}
	l.lines = strings.Count(buf.String(), "\n")
	_, err = io.WriteString(l.app.out, up+buf.String())
	return err
}
