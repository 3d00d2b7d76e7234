package batch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/workdir"
)

// Files of the executor in an attempt's folder.
const (
	// commandName has the command and its environment, for the script. Only its
	// owner can read it; the cluster, which keeps the script itself, never sees the parameters of a job.
	commandName = "batch.command"
	// tokenName has the token by which the command may tell of itself, which ends with the attempt.
	tokenName = "batch.token"
	// scriptName is the batch script, kept to be submitted again.
	scriptName = "batch.sh"
	// submissionName has how it is submitted and what came of it, as a submission.
	submissionName = "batch.json"
	// intentName exists from before the first submission.
	intentName = "batch.intent"
	// lockName is made, as a folder, by the run that may start the command. The
	// server makes a file of that name to keep any run from starting it.
	lockName = "batch.lock"
	// ownerName has `JOBID NODE` of the run that holds the lock.
	ownerName = "batch.owner"
	// againName was left by a run that found the lock taken by a run of the same job.
	againName = "batch.again"
	// logName has what the batch system and the script have to say; the command's own output is in stdout and stderr.
	logName = "batch.log"
	// wishName exists once somebody asked for the attempt to be cancelled.
	wishName = "batch.cancel"
	// neverName has the reason for which Stint itself cancelled a job that could never start.
	neverName = "batch.never"
	// endName has how the attempt ended, once that is known.
	endName = "batch.end"
	// recordName is the exit record that the script writes.
	recordName = "exit.json"
)

// submission is what must survive a restart of the server.
type submission struct {
	Plan
	// Program that the command runs, for messages.
	Program string `json:"program"`
	// CPUs and MemoryBytes are what it asked for.
	CPUs        int32 `json:"cpus"`
	MemoryBytes int64 `json:"memory_bytes"`
	// Time of the first submission.
	Time time.Time `json:"time"`
	// Tries counts the submissions that ended in doubt.
	Tries int `json:"tries"`
	// Hold says what the cluster said last that the attempt waits for.
	Hold Hold `json:"hold,omitzero"`
	// Words are what the cluster said last, if it did not accept the attempt.
	Words string `json:"words,omitempty"`
	// Absent says that the cluster does not have the attempt: the last submission never reached it, or
	// was turned away for now. It is false from before each submission until the result is known.
	Absent bool `json:"absent,omitempty"`
	// ID of the job on the cluster; empty while it is not known.
	ID string `json:"id,omitempty"`
}

func readSubmission(a workdir.Attempt) (submission, error) {
	var s submission
	data, err := a.ReadFile(submissionName)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	return s, err
}

func writeSubmission(a workdir.Attempt, s submission) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return a.WriteFile(submissionName, data)
}

// record is the script's exit record: workdir.ExitRecord and what only matters here.
type record struct {
	workdir.ExitRecord
	// Terminated says that the script got SIGTERM before the command ended: somebody made an end of it.
	Terminated bool `json:"terminated"`
}

// cut reports whether the command did not end by itself. Some programs that are asked to end do so with the exit code that a
// shell has for the signal.
func (r *record) cut() bool { return r.Terminated && (r.Signal != 0 || r.Code > 128) }

// files are what an attempt's folder tells of its run.
type files struct {
	fenced bool    // the server took the lock: nothing ever ran and nothing will
	locked bool    // a run took the lock
	owner  string  // id of the job whose run did; empty while that is not known
	again  bool    // another run of the same job found the lock taken
	record *record // how the command ended
	memory bool    // the cluster noted that it ended the job for its memory
	note   string  // the script's last words, where it had to give up
}

// look reads what the folder tells. What cannot be read is as good as not there: it is read again later.
func look(a workdir.Attempt, endedForMemory func(line string) bool) files {
	var f files
	f.locked = a.Has(lockName)
	if !f.locked {
		f.note, f.memory = readLog(a, endedForMemory)
		return f
	}
	if isFenced(a) {
		return files{fenced: true}
	}
	if owner, err := a.ReadFile(ownerName); err == nil {
		f.owner, _, _ = strings.Cut(strings.TrimSpace(string(owner)), " ")
	}
	f.again = a.Has(againName)
	f.note, f.memory = readLog(a, endedForMemory)
	if data, err := a.ReadFile(recordName); err == nil {
		r := new(record)
		if json.Unmarshal(data, r) == nil {
			f.record = r
		}
	}
	return f
}

// isFenced reports whether the server has the lock: a run's is a folder.
func isFenced(a workdir.Attempt) bool {
	_, err := a.ReadFile(lockName)
	return err == nil
}

// readLog finds in what the cluster and the script said what no exit code tells.
func readLog(a workdir.Attempt, endedForMemory func(line string) bool) (note string, memory bool) {
	data, err := a.ReadFile(logName)
	if err != nil {
		return "", false
	}
	for line := range strings.Lines(string(data)) {
		if words, ok := strings.CutPrefix(line, "stint: "); ok {
			note = strings.TrimSpace(words)
		}
		memory = memory || endedForMemory != nil && endedForMemory(line)
	}
	return note, memory
}

// fence takes the lock for the server. The answer is false when a run has it.
func fence(a workdir.Attempt) (bool, error) {
	err := a.Mark(lockName)
	if err == nil {
		return true, nil
	}
	if errors.Is(err, fs.ErrExist) {
		return isFenced(a), nil
	}
	return false, fmt.Errorf("give up the attempt: %w", err)
}

// conclusion is an exit as it is kept.
type conclusion struct {
	workdir.ExitRecord
	EngineState string `json:"engine_state,omitempty"`
	// Lost says that there is no exit: the attempt was lost.
	Lost bool `json:"lost,omitempty"`
	// Refused says that the cluster never took the attempt.
	Refused bool `json:"refused,omitempty"`
}

func writeEnd(a workdir.Attempt, c conclusion) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return a.WriteFile(endName, data)
}

// readEnd is the end that an earlier Wait found out; the second result is false when none did.
func readEnd(a workdir.Attempt) (conclusion, bool) {
	var c conclusion
	data, err := a.ReadFile(endName)
	if err != nil || json.Unmarshal(data, &c) != nil {
		return conclusion{}, false
	}
	return c, true
}

func (c conclusion) exit() (executor.Exit, bool) {
	e, ok := executor.ExitOf(c.ExitRecord)
	e.EngineState = c.EngineState
	return e, ok
}
