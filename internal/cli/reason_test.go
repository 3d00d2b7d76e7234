package cli

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
)

// asked is somebody at a terminal who answers so.
func asked(answer string) func(*app) {
	return func(a *app) { a.screen.asks, a.in = true, strings.NewReader(answer) }
}

func TestAnOperatorIsAskedWhyOnATerminal(t *testing.T) {
	f := startFake(t)
	for range 4 {
		submitted(t, f, "Sleep")
	}
	f.foreign = []string{"2", "3", "4"}
	r := stintWith(f, asked("it floods the disk\n"), "cancel", "1", "2", "3").want(t, 0)
	if want := "ID\tSTATE\tANSWER\n1\tCANCELLED\tcancelled\n2\tCANCELLED\tcancelled\n3\tCANCELLED\tcancelled\n"; r.out != want {
		t.Errorf("said %q", r.out)
	}
	if r.err != "Why end 2 jobs of other users? " {
		t.Errorf("asked %q", r.err)
	}
	if a, b := f.find("1").GetCancelReason(), f.find("3").GetCancelReason(); a != "" || b != "it floods the disk" {
		t.Errorf("the reasons are %q and %q", a, b)
	}
	r = stintWith(f, asked("our fault\n"), "rerun", "2", "-o", "name").want(t, 0)
	if r.out != "5\n" || r.err != "Why repeat job 2, which is another user's? " {
		t.Errorf("said %q, asked %q", r.out, r.err)
	}

	// Who says why is not asked, who does not answer is refused, and so is who cannot be asked.
	stintWith(f, asked("no"), "rerun", "2", "--reason", "because", "-o", "name").want(t, 0)
	wantIn(t, stintWith(f, asked("\n"), "cancel", "4").want(t, exitFailed).out, "4\t\trefused: reason must say why.")
	wantIn(t, stint(f, "cancel", "4").want(t, exitFailed).out, "4\t\trefused: reason must say why.")
	wantIn(t, stint(f, "rerun", "4").want(t, exitUsage).err, "reason")
	stint(f, "rerun", "4", "--dry-run").want(t, 0)
	if f.find("4").GetCancelTime() != nil {
		t.Error("a refused cancellation was stored")
	}
}

func TestTheAuditIsListed(t *testing.T) {
	f := startFake(t)
	at := timestamppb.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	f.audit = []*adminv1.AuditEntry{
		{Sequence: 1, Time: at, User: "ada", How: "token", Address: "192.0.2.7", Method: "/stint.jobs.v1.JobService/Submit", JobIds: []string{"1"}},
		{Sequence: 2, Time: at, User: "ada", Actor: "portal", How: "token", Method: "/stint.jobs.v1.JobService/BatchSubmit", JobIds: strings.Split("2,3,4,5,6,7,8", ",")},
		{Sequence: 3, Time: at, User: "root", How: "socket", Method: "/stint.jobs.v1.JobService/Cancel", JobIds: []string{"1"}, Subject: "ada", Reason: "disk full\n\x1b[2J"},
		{Sequence: 4, Time: at, User: "ada", How: "oidc", Method: "sign-in"},
	}
	want := strings.ReplaceAll("ENTRY\tWHEN\tUSER\tFOR\tHOW\tFROM\tWHAT\tJOBS\tWHOSE\tREASON\n"+
		"4\tTIME\tada\t\toidc\t\tsign-in\t\t\t\n"+
		"3\tTIME\troot\t\tsocket\t\tCancel\t1\tada\tdisk full\\n\\x1b[2J\n"+
		"2\tTIME\tportal\tada\ttoken\t\tBatchSubmit\t2,3,4,5,6 and 2 more\t\t\n"+
		"1\tTIME\tada\t\ttoken\t192.0.2.7\tSubmit\t1\t\t\n",
		"\tTIME\t", "\t"+at.AsTime().Local().Format(time.RFC3339)+"\t")
	want = strings.Replace(want, "WHEN", "TIME", 1)
	if r := stint(f, "admin", "audit").want(t, 0); r.out != want {
		t.Errorf("said\n%q, want\n%q", r.out, want)
	}
	for args, names := range map[string]string{
		"--limit 3":           "4\n3\n2\n",
		"--limit 1":           "4\n",
		"--user root":         "3\n",
		"--job 1":             "3\n1\n",
		"--user ada --job 7":  "2\n",
		"--user ada --job 99": "",
	} {
		if r := stint(f, append([]string{"admin", "audit", "-o", "name"}, strings.Fields(args)...)...).want(t, 0); r.out != names {
			t.Errorf("%s: said %q, want %q", args, r.out, names)
		}
	}
	wantIn(t, stint(f, "admin", "audit", "-o", "json", "--limit", "1").want(t, 0).out, `"sequence": "4"`, `"method": "sign-in"`)
	stint(f, "admin", "audit", "--limit", "0").want(t, exitUsage)
}

func TestAnOperatorIsAskedWhyTheySubmitForSomebody(t *testing.T) {
	f := startFake(t)
	wantIn(t, stint(f, "submit", "Sleep", "--owner", "ada").want(t, exitUsage).err, "reason")
	r := stintWith(f, asked("she asked\n"), "submit", "Sleep", "--owner", "ada", "-o", "name").want(t, 0)
	if r.out != "1\n" || r.err != "Why submit for ada? " {
		t.Errorf("said %q, asked %q", r.out, r.err)
	}
	stint(f, "submit", "Sleep", "--owner", "ada", "--reason", "ticket 7").want(t, 0)
	if a, b := f.find("1").GetSubmitReason(), f.find("2").GetSubmitReason(); a != "she asked" || b != "ticket 7" {
		t.Errorf("the reasons are %q and %q", a, b)
	}
	wantIn(t, stint(f, "get", "2").want(t, 0).out, "Submitted by", "tester: ticket 7")
}
