package cli

import (
	"context"
	"testing"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
)

// Diagnose answers the checks that a test has set.
func (f *fake) Diagnose(context.Context, *adminv1.DiagnoseRequest) (*adminv1.DiagnoseResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &adminv1.DiagnoseResponse{Checks: f.checks}, nil
}

func TestDoctorEndsWithOneWhenACheckFails(t *testing.T) {
	f := startFake(t)
	f.checks = []*adminv1.Check{
		{Name: "store", Status: adminv1.CheckStatus_CHECK_STATUS_OK, Message: "The database takes changes."},
		{Name: "backup", Status: adminv1.CheckStatus_CHECK_STATUS_WARNING, Message: "No backups are configured.", Action: "Give --backup-dir."},
	}
	got := stint(f, "admin", "doctor").want(t, exitOK)
	for _, words := range []string{"store", "ok", "backup", "warning", "No backups are configured. Give --backup-dir."} {
		wantIn(t, got.out, words)
	}
	f.checks = append(f.checks, &adminv1.Check{Name: "clock", Subject: "big", Status: adminv1.CheckStatus_CHECK_STATUS_FAILING, Message: "It differs by 90 s."})
	got = stint(f, "admin", "doctor").want(t, exitFailed)
	wantIn(t, got.out, "clock/big")
	wantIn(t, got.err, "1 check failing")
}
