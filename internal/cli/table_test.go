package cli

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// manyJobs fills a fake with jobs in all states, some with hostile names.
func manyJobs(t *testing.T) *fake {
	t.Helper()
	f := startFake(t)
	names := []string{"lambda", "a very long name of a result that nobody would type twice", "\x1b[31mred\x1b[0m", "日本語の名前", "tab\there"}
	states := []jobsv1.State{jobsv1.State_STATE_QUEUED, jobsv1.State_STATE_RUNNING, completed, failed, cancelled}
	at := timestamppb.New(time.Date(2026, 1, 31, 12, 30, 15, 0, time.UTC))
	for i, name := range names {
		id := submitted(t, f, "Sleep")
		f.update(id, func(j *fakeJob) {
			j.OutputName, j.State, j.Service = name, states[i], []string{"GenomeAssembly", "ComprehensiveGenomeAnalysis"}[i%2]
			j.SubmitTime, j.StartTime = at, at
			if finalState(j.State) {
				j.CompleteTime = timestamppb.New(at.AsTime().Add(3*time.Hour + 5*time.Minute))
			}
			if j.State == failed {
				j.Reason, j.Message = jobsv1.Reason_REASON_OUT_OF_MEMORY, "It needed more.\nAsk for more with --memory."
			}
			if j.State == jobsv1.State_STATE_RUNNING {
				j.Progress = &jobsv1.Progress{Percent: proto.Int32(40), Message: "assembling \x1b]0;x\x07contigs"}
			}
		})
	}
	return f
}

func TestTablesFitTheTerminal(t *testing.T) {
	f := manyJobs(t)
	for _, columns := range []int{60, 80, 100, 140, 200} {
		for _, args := range [][]string{{"list"}, {"list", "--all"}, {"services"}, {"services", "Everything"}, {"status"}, {"server"}, {"ls"}, {"queue"}, {"shares"}} {
			t.Run(fmt.Sprint(columns, args), func(t *testing.T) {
				r := stintWith(f, onTerminal(columns), args...).want(t, 0)
				for line := range strings.Lines(r.out) {
					line = strings.TrimSuffix(line, "\n")
					if w := text.StringWidthWithoutEscSequences(line); w > columns && !strings.HasPrefix(line, "Submit: ") {
						t.Errorf("%d columns: %q", w, line)
					}
					if rest := sgr.ReplaceAllString(line, ""); strings.ContainsFunc(rest, unsafe) {
						t.Errorf("unsafe: %q", line)
					}
				}
			})
		}
	}
}

func TestAListOnANarrowTerminalStillSaysWhatMatters(t *testing.T) {
	f := manyJobs(t)
	r := stintWith(f, onTerminal(60), "list").want(t, 0)
	wantIn(t, r.out, "ID", "STATE", "SERVICE", "OUTPUT NAME", "lambda", "日本語の名前", "RUNNING 40%", "…", `\x1b[31m`)
	if strings.Contains(r.out, "STARTED") {
		t.Error("STARTED takes the place of more important columns")
	}
	wide := stintWith(f, onTerminal(200), "list").want(t, 0)
	wantIn(t, wide.out, "SUBMITTED", "STARTED", "COMPLETED", "ELAPSED", "3h05m", "2026-01-31 13:30 CET", "OUT_OF_MEMORY", "nobody would type twice", "5 jobs")
}

func TestAPipeGetsPlainWholeLines(t *testing.T) {
	f := manyJobs(t)
	r := stint(f, "list", "--sort", "id").want(t, 0)
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if want := "ID\tSTATE\tREASON\tSERVICE\tOUTPUT NAME\tOWNER\tSUBMITTED\tSTARTED\tCOMPLETED\tELAPSED\tAHEAD\tEXPECTED\tENDS"; lines[0] != want {
		t.Errorf("header %q", lines[0])
	}
	if want := "4\tFAILED\tOUT_OF_MEMORY\tComprehensiveGenomeAnalysis\t日本語の名前\ttester\t2026-01-31T13:30:15+01:00\t2026-01-31T13:30:15+01:00\t2026-01-31T16:35:15+01:00\t3h05m\t\t\t"; lines[4] != want {
		t.Errorf("line %q", lines[4])
	}
	if !strings.Contains(lines[5], `tab\there`) || strings.Contains(r.out, "\x1b") {
		t.Error("the pipe got control characters")
	}
}

func TestAJobIsDescribedSafely(t *testing.T) {
	f := manyJobs(t)
	for _, change := range []func(*app){func(*app) {}, onTerminal(60)} {
		r := stintWith(f, change, "get", "1", "2", "3", "4", "5").want(t, 0)
		if rest := sgr.ReplaceAllString(r.out, ""); strings.ContainsFunc(strings.NewReplacer("\n", "", "\t", "").Replace(rest), unsafe) {
			t.Errorf("unsafe: %q", rest)
		}
		wantIn(t, r.out, "FAILED (OUT_OF_MEMORY)", "Ask for more with --memory.", `40% assembling \x1b]0;x\x07contigs`)
	}
	r := stint(f, "get", "1", "99").want(t, exitFailed)
	wantIn(t, r.out, "Job\t1\n")
	wantIn(t, r.err, "no such job, or not yours: 99")
}

func TestListPagesFiltersAndFormats(t *testing.T) {
	f := startFake(t)
	for range 5 {
		submitted(t, f, "Sleep", "--label", "project=phage")
	}
	f.start("2")
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--limit", "2"}, "5\n4\n"},
		{[]string{"--all-pages", "--sort", "id"}, "1\n2\n3\n4\n5\n"},
		{[]string{"--state", "running"}, "2\n"},
		{[]string{"--label", "project=other"}, ""},
		{[]string{"--label", "project=phage", "--service", "Sleep", "--search", "Sleep-3"}, "3\n"},
		{[]string{"--filter", `id = "4"`}, "4\n"},
	} {
		if r := stint(f, append([]string{"list", "-o", "name"}, test.args...)...).want(t, 0); r.out != test.want {
			t.Errorf("%v: %q", test.args, r.out)
		}
	}
	r := stint(f, "list", "-o", "jsonl", "--limit", "2").want(t, 0)
	if n := strings.Count(r.out, "\n"); n != 2 || !strings.HasPrefix(r.out, `{"id":"5","owner":"tester"`) {
		t.Errorf("jsonl: %s", r.out)
	}
	wantIn(t, stint(f, "list", "--state", "running", "-o", "json").want(t, 0).out, "[\n  {\n    \"id\": \"2\"")
	wantIn(t, stint(f, "list", "--filter", "x = y").want(t, exitUsage).err, `filter asks for "x", which is no field`)
	for _, bad := range [][]string{{"--state", "x"}, {"--limit", "0"}, {"--all", "--owner", "a"}, {"-o", "xml"}, {"--watch", "--all-pages"}, {"extra"}} {
		stint(f, append([]string{"list"}, bad...)...).want(t, exitUsage)
	}
}

func TestListWatchInAPipeTellsEveryChangeOfWhatItShows(t *testing.T) {
	f := startFake(t)
	submitted(t, f, "Sleep")
	ctx, stop := context.WithCancel(t.Context())
	out := newLockedBuffer()
	var played sync.WaitGroup
	played.Go(func() {
		defer stop()
		f.awaitCalls("WatchStatus", 1)
		f.start("1")
		other := submitted(t, f, "Sleep")
		out.await("\t2\tQUEUED\t")
		f.end("1", completed, 0, "")
		f.end(other, failed, 0, "")
		out.await("\t2\tFAILED\t")
	})
	a := newApp(strings.NewReader(""), out, out)
	a.link = link{server: f.addr, timeout: fakeTimeout}
	o := &listOptions{watch: true, states: []string{"queued"}, limit: 10, format: new(format), patience: time.Minute}
	*o.format = asTable
	_ = a.list(ctx, o) // ends with ctx
	played.Wait()
	_ = a.conn.Close()
	text := out.String()
	for _, part := range []string{"\t1\tQUEUED\t", "\t1\tRUNNING\t", "\t1\tCOMPLETED\t", "\t2\tFAILED\t"} {
		if strings.Count(text, part) != 1 {
			t.Errorf("%q is not there once:\n%s", part, text)
		}
	}
}

// lockedBuffer can be read, and waited for, while it is written.
type lockedBuffer struct {
	mu   sync.Mutex
	more *sync.Cond
	b    strings.Builder
}

func newLockedBuffer() *lockedBuffer {
	l := &lockedBuffer{}
	l.more = sync.NewCond(&l.mu)
	return l
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.more.Broadcast()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// await returns once text was written.
func (l *lockedBuffer) await(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !strings.Contains(l.b.String(), text) {
		l.more.Wait()
	}
}

func TestListWatchOnATerminalDrawsOverItself(t *testing.T) {
	f := startFake(t)
	submitted(t, f, "Sleep", "--output-name", "older")
	submitted(t, f, "Sleep", "--output-name", "newer")
	ctx, stop := context.WithCancel(t.Context())
	out := newLockedBuffer()
	var played sync.WaitGroup
	played.Go(func() {
		defer stop()
		out.await("QUEUED")
		f.end("2", completed, 0, "")
		out.await("\x1b[32mCOMPLETED\x1b[0m")
	})
	a := newApp(strings.NewReader(""), out, out)
	onTerminal(80)(a)
	a.link = link{server: f.addr, timeout: fakeTimeout}
	o := &listOptions{watch: true, limit: 1, format: new(format), patience: time.Minute}
	*o.format = asTable
	_ = a.list(ctx, o) // ends with ctx
	played.Wait()
	_ = a.conn.Close()
	wantIn(t, out.String(), "QUEUED", "COMPLETED", "\x1b[4A\r\x1b[J", "1 of 2 jobs")
	if strings.Contains(out.String(), "older") {
		t.Errorf("not the first page is drawn:\n%s", out.String())
	}
}
