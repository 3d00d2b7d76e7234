package server

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/auth"
	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/layers"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/store/storetest"
)

// What leaves something on the disk and has no number at which it ends fills the disk.
func TestEachMethodThatFillsTheDiskHasANumberAtWhichItEnds(t *testing.T) {
	for method, use := range diskUses {
		if (use == grows) != (len(bounds[method]) > 0) {
			t.Errorf("%s: leaves something: %t, and its quotas are %v", method, use == grows, bounds[method])
		}
	}
	for method, quotas := range bounds {
		if diskUses[method] != grows {
			t.Errorf("%s leaves nothing, or is no method", method)
		}
		for _, q := range quotas {
			_ = job.RowOf(q) // panics without a row
		}
	}
}

// Each limit that a flag sets is that of the configuration, and its default is what the table says.
func TestQuotasWithAFlagAreSetByIt(t *testing.T) {
	for _, row := range job.Quotas {
		if row.Flag == "" {
			if row.Limit <= 0 {
				t.Errorf("%s has no limit and no flag that sets one", row.Quota)
			}
			continue
		}
		var c Config
		flags := pflag.NewFlagSet("stintd", pflag.ContinueOnError)
		define(flags, &c)
		f := flags.Lookup(row.Flag)
		if f == nil || f.DefValue != strconv.FormatInt(row.Limit, 10) {
			t.Errorf("%s: the flag --%s is %+v, and the default of the table is %d", row.Quota, row.Flag, f, row.Limit)
			continue
		}
		if err := flags.Set(row.Flag, "7"); err != nil {
			t.Fatal(err)
		}
		if got := c.quotas().Of(row.Quota); got != 7 {
			t.Errorf("--%s 7 makes the limit of %s %d", row.Flag, row.Quota, got)
		}
	}
	for q := range (Config{}).quotas() {
		if job.RowOf(q).Flag == "" {
			t.Errorf("%s has no flag, and the configuration sets it", q)
		}
	}
}

func TestOperatorsAndServicesMakeMoreEntriesThanUsersAndTheSocketAnyNumber(t *testing.T) {
	a := newAuditLimit(3, false)
	for _, c := range []struct {
		p    auth.Principal
		want int64
	}{
		{auth.Principal{User: "ann", Roles: []auth.Role{auth.RoleUser}, How: auth.HowToken}, 3},
		{auth.Principal{User: "op", Roles: []auth.Role{auth.RoleUser, auth.RoleOperator}, How: auth.HowToken}, 30},
		{auth.Principal{User: "ann", Actor: "gateway", Roles: []auth.Role{auth.RoleUser}, How: auth.HowToken}, 30},
		{auth.LocalAdmin(), 0},
	} {
		key, rates, perDay := a.of(c.p)
		taken := int64(0)
		for range 50 {
			if _, ok := rates.Take(key); ok {
				taken++
			}
		}
		if used, limit := a.spent(c.p); perDay != c.want || limit != c.want || c.want > 0 && (taken != c.want || used != c.want) || c.want == 0 && taken != 50 {
			t.Errorf("%+v: %d of %d were taken, %d of %d are shown", c.p, taken, perDay, used, limit)
		}
	}
	if _, rates, _ := newAuditLimit(3, true).of(auth.Principal{User: "ann"}); rates != nil {
		t.Error("development mode has a limit")
	}
	if errors.Is(job.Full(job.Reached{Quota: job.QuotaTokens}, ""), job.ErrConflict) {
		t.Error("a full quota is a conflict")
	}
}

// grouped is a number with commas.
func grouped(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}

// Who reads what others share makes entries, too. Repeats are none, and own jobs have none.
func TestReadingJobsOfOthersEndsAndReadingThemAgainDoesNot(t *testing.T) {
	s := storetest.Open(t)
	p := auth.Principal{User: "bob", Roles: []auth.Role{auth.RoleUser}, How: auth.HowToken}
	a := newAuditLimit(3, false)
	var refused error
	read := func(id uint64) error {
		ctx := store.WithReadBudget(t.Context(), func() error { return a.take(p) })
		return s.AuditRead(ctx, &storev1.AuditEntry{User: "bob", Subject: "ann", Method: "Get", JobIds: []uint64{id}})
	}
	for id := range uint64(4) {
		for range 5 {
			if err := read(id); err != nil && id < 3 {
				t.Fatal(err)
			} else if err != nil {
				refused = err
			}
		}
	}
	full, ok := errors.AsType[*job.UserError](refused)
	if !ok || full.Reached == nil || full.Reached.Quota != job.QuotaAuditPerDay || full.RetryAfter <= 0 || s.AuditHead().Sequence != 3 {
		t.Errorf("%d entries, the fourth job is refused with %v", s.AuditHead().Sequence, refused)
	}
	c := &layers.Call{Method: jobsv1.JobService_Get_FullMethodName}
	c.SetContext(auth.NewContext(t.Context(), p))
	if end, err := a.layer(c); end != nil || err != nil {
		t.Errorf("a read is refused before it is known to need an entry: %v", err)
	}
	if err := s.AuditRead(c.Context(), &storev1.AuditEntry{User: "bob", Method: "other"}); !errors.Is(err, job.ErrExhausted) {
		t.Errorf("a call beyond the limit: %v", err)
	}
}

// The table of the documentation is the table of the code.
func TestQuotasAreDocumented(t *testing.T) {
	text := readOperations(t)
	for _, row := range job.Quotas {
		limit, by := "no limit", "fixed"
		if row.Limit > 0 {
			limit = grouped(row.Limit)
		}
		if row.Flag != "" {
			by = "`--" + row.Flag + "`"
		}
		if want := fmt.Sprintf("\n| `%s`: %s | %s | %s | %s |\n", row.Quota, row.Title, limit, by, row.WayOut); !strings.Contains(text, want) {
			t.Errorf("%s has no row %q", operations, strings.TrimSpace(want))
		}
	}
}
