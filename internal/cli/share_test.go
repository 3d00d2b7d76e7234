package cli

import (
	"strconv"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

func TestSharesOfOthersAreListedWithTheirJobs(t *testing.T) {
	f := startFake(t)
	for range 3 {
		f.received(submitted(t, f, "Sleep"), "maria", jobsv1.ShareRight_SHARE_RIGHT_HISTORY, jobsv1.ShareRight_SHARE_RIGHT_LOGS)
	}
	r := stint(f, "shares").want(t, 0)
	wantIn(t, r.out, "ID\tSTATE\tOWNER\tRIGHTS\tSERVICE\tOUTPUT NAME\tSHARED\tSUBMITTED\tCOMPLETED\n", "1\tQUEUED\tmaria\thistory, logs\tSleep\tSleep-1\t")
	if got := stint(f, "shares", "--limit", "2", "-o", "name").want(t, 0).out; got != "1\n2\n" {
		t.Errorf("names %q", got)
	}
	wantIn(t, stint(f, "shares", "--limit", "0").want(t, 2).err, "--limit")
}

func TestTheQueueIsReadPageByPage(t *testing.T) {
	f := startFake(t)
	for i := range 1200 {
		id := submitted(t, f, "Sleep")
		if i%2 == 0 {
			f.update(id, func(j *fakeJob) { j.Owner = "other" })
		}
	}
	f.start("2")
	r := stint(f, "queue", "--limit", "1100").want(t, 0)
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if len(lines) != 1101 || f.count("ListQueue") != 3 {
		t.Errorf("%d lines by %d calls", len(lines), f.count("ListQueue"))
	}
	if lines[0] != "ID\tSTATE\tOWNER\tSERVICE\tOUTPUT NAME\tREASON\tAHEAD\tEXPECTED START\tSUBMITTED\tSTARTED\tCPUS\tMEMORY\tTIME LIMIT\tEXECUTOR" {
		t.Errorf("header %q", lines[0])
	}
	if !strings.HasPrefix(lines[1], "\tQUEUED\t\t\t\t\t\t\t2") || !strings.HasPrefix(lines[2], "2\tRUNNING\ttester\tSleep\tSleep-2\t") {
		t.Errorf("rows %q and %q", lines[1], lines[2])
	}
	if got := stint(f, "queue", "--state", "running", "-o", "name").want(t, 0).out; got != "2\n" {
		t.Errorf("names %q", got)
	}
	if got := strings.Count(stint(f, "queue", "--limit", "4", "-o", "name").want(t, 0).out, "\n"); got != 2 {
		t.Errorf("%d names of four rows, of which two are masked", got)
	}
	wantIn(t, stint(f, "queue", "--state", "failed").want(t, 2).err, "queued or running")
	narrow := stintWith(f, onTerminal(60), "queue").want(t, 0)
	wantIn(t, narrow.out, "(hidden)", maskedFooter, "1,199 waiting, 1 running; 100 shown")
	for line := range strings.Lines(narrow.out) {
		if w := text.StringWidthWithoutEscSequences(strings.TrimSuffix(line, "\n")); w > 60 {
			t.Errorf("%d columns: %q", w, line)
		}
	}
}

func TestWhoHasSharesIsCompleted(t *testing.T) {
	f := startFake(t)
	id := submitted(t, f, "Sleep")
	for i := range 3 {
		stint(f, "share", id, "user"+strconv.Itoa(i), "--rerun", "--unknown-user").want(t, 0)
	}
	r := stint(nil, "__complete", "--server", f.addr, "unshare", id, "user1").want(t, 0)
	wantIn(t, r.out, "user1\thistory, rerun\n")
	if strings.Contains(r.out, "user2") {
		t.Errorf("completions %q", r.out)
	}
}
