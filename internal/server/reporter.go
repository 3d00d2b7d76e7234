package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
)

// maxReports is how many reports may wait for the webhook. All are in the store
// anyway; one more than these is not passed on, and the log says so.
const maxReports = 1000

// reportTries and reportWait bound how often and how soon a report is sent again.
const (
	reportTries = 5
	reportWait  = 2 * time.Second
)

// reporter passes the problem reports of users on to a webhook, one by one.
type reporter struct {
	url    string
	log    *slog.Logger
	client *http.Client
	queue  chan *adminv1.Issue
	once   sync.Once
	ended  chan struct{}
}

func newReporter(to string, log *slog.Logger) *reporter {
	return &reporter{
		url: to, log: log,
		// What users report goes to the address that was configured, and not to where that sends it.
		client: &http.Client{
			Timeout:       10 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		queue: make(chan *adminv1.Issue, maxReports), ended: make(chan struct{}),
	}
}

// add queues a stored report. It never waits.
func (r *reporter) add(id string, report *storev1.Issue) {
	if r.url == "" {
		return
	}
	issue := &adminv1.Issue{
		Id: id, Reporter: report.GetReporter(), Description: report.GetDescription(),
		CreateTime: report.GetCreateTime(), Job: report.GetJob(),
	}
	select {
	case r.queue <- issue:
	default:
		r.log.Error("too many reports wait for the webhook; this one is only in the store", "issue", id)
	}
}

// stop makes Run end after the reports that wait were tried once more.
func (r *reporter) stop() { r.once.Do(func() { close(r.ended) }) }

// Run sends reports until ctx ends or stop is called.
func (r *reporter) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.ended:
			return nil
		case issue := <-r.queue:
			if err := r.send(ctx, issue); err != nil {
				r.log.Error("pass on a report; it is in the store", "issue", issue.GetId(), "error", err)
			}
		}
	}
}

func (r *reporter) send(ctx context.Context, issue *adminv1.Issue) error {
	body, err := protojson.Marshal(issue)
	if err != nil {
		return fmt.Errorf("write a report: %w", err)
	}
	wait := reportWait
	for try := 1; ; try++ {
		err := r.post(ctx, body)
		if err == nil || try == reportTries {
			return err
		}
		t := time.NewTimer(wait)
		wait *= 2
		select {
		case <-t.C:
		case <-r.ended:
			t.Stop()
			return err
		case <-ctx.Done():
			t.Stop()
			return err
		}
	}
}

func (r *reporter) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return withoutURL(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return errors.New("the webhook answered " + resp.Status)
	}
	return nil
}

// withoutURL is an error of net/http without the address: who knows that of a webhook may use it.
func withoutURL(err error) error {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		return inner.Err
	}
	return err
}
