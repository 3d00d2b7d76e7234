package server

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/audit"
	"github.com/stint-jobs/stint/internal/store/file"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

// onMessage calls then when a message is logged.
type onMessage struct {
	slog.Handler

	message string
	then    func()
}

// Handle looks at the message.
func (h onMessage) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.message {
		h.then()
	}
	return nil
}

// Enabled is true: all messages are looked at.
func (onMessage) Enabled(context.Context, slog.Level) bool { return true }

func TestTheServerTakesOldEntriesOutOfTheAuditAndSaysSoInIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	now := time.Now().Add(-72 * time.Hour)
	s := storetest.OpenConfig(t, store.Config{Path: path, Now: func() time.Time { return now }})
	for n := range 10 {
		if n == 6 {
			now = time.Now()
		}
		if err := s.Audit(t.Context(), &storev1.AuditEntry{User: "ada", Method: fmt.Sprint("m", n+1)}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	log := slog.New(onMessage{Handler: slog.DiscardHandler, message: "old entries were taken out of the audit", then: cancel})
	(&server{cfg: Config{KeepAuditFor: 48 * time.Hour}, store: s, log: log}).keepAudit(ctx)
	rows, _, err := s.AuditEntries(t.Context(), audit.Query{Limit: 100})
	if err != nil || len(rows) != 5 {
		t.Fatalf("%d entries are left: %v", len(rows), err)
	}
	e := rows[0].Entry
	if e.GetHow() != howServer || e.GetMethod() != methodPrune || !strings.Contains(e.GetReason(), "--keep-audit-for") || rows[4].Entry.GetMethod() != "m7" {
		t.Errorf("the last entry is %v, the first %v", e, rows[4].Entry)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if report, err := file.VerifyAudit(path, nil); err != nil || len(report.Problems) > 0 || report.Begin.Sequence != 6 {
		t.Errorf("%+v %v", report, err)
	}
}

func TestNobodySetsTheAuditToBeKeptForLessThanADay(t *testing.T) {
	for text, want := range map[string]string{"400d": "", "0": "", "24h": "", "23h": "at least", "-1d": "no duration", "x": "no duration"} {
		var c Config
		f := pflag.NewFlagSet("stintd", pflag.ContinueOnError)
		define(f, &c)
		err := f.Set("keep-audit-for", text)
		if err == nil {
			err = c.check()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("--keep-audit-for %s: %v", text, err)
		}
	}
}
