package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
)

// hook is a webhook.
type hook func(*http.Request) (*http.Response, error)

// RoundTrip answers a request.
func (h hook) RoundTrip(r *http.Request) (*http.Response, error) { return h(r) }

// reportTo passes on one report and answers what the log says.
func reportTo(t *testing.T, to string, h hook) (log string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		r := newReporter(to, slog.New(slog.NewTextHandler(&b, nil)))
		r.client.Transport = h
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		r.add("7", &storev1.Issue{Reporter: "ann", Description: "it broke"})
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(time.Hour) //nolint:forbidigo // fake time: a synctest bubble
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		log = b.String()
	})
	return log
}

// The address of a webhook is often all that one needs to use it. It is in no line of the log, and
// what users report goes nowhere else.
func TestReportsGoToTheWebhookWhoseAddressStaysSecret(t *testing.T) {
	const secret = "T0-the-secret-of-the-hook"
	const to = "https://hooks.example.org/services/" + secret
	answer := func(r *http.Request, code int, header http.Header) *http.Response {
		return &http.Response{StatusCode: code, Status: http.StatusText(code), Header: header, Body: http.NoBody, Request: r}
	}
	for name, c := range map[string]struct {
		to    string
		hook  hook
		tries int
		says  string
	}{
		"taken": {to, func(r *http.Request) (*http.Response, error) { return answer(r, 200, nil), nil }, 1, ""},
		"away":  {to, func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }, reportTries, "no route"},
		"no":    {to, func(r *http.Request) (*http.Response, error) { return answer(r, 404, nil), nil }, reportTries, "the webhook answered Not Found"},
		"sent elsewhere": {to, func(r *http.Request) (*http.Response, error) {
			return answer(r, 307, http.Header{"Location": {"https://evil.example/" + secret}}), nil
		}, reportTries, "the webhook answered Temporary Redirect"},
		"no address": {"https://hooks.example.org/%zz/" + secret, nil, 0, "invalid URL escape"},
	} {
		t.Run(name, func(t *testing.T) {
			tries := 0
			log := reportTo(t, c.to, func(r *http.Request) (*http.Response, error) {
				tries++
				body, err := io.ReadAll(r.Body)
				if err != nil || r.URL.String() != to || !strings.Contains(string(body), "it broke") {
					t.Errorf("%s got %s, %v", r.URL, body, err)
				}
				return c.hook(r)
			})
			if tries != c.tries || strings.Contains(log, secret) || !strings.Contains(log, c.says) || (c.says == "") != (log == "") {
				t.Errorf("after %d tries the log says %q", tries, log)
			}
		})
	}
}
