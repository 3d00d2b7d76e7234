package workdir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

const (
	exitName     = "exit.json"
	exitReserved = ".exit.json.reserved"
	// exitMost bounds an exit record; the reserved file has this size.
	exitMost = 8 << 10
)

// ExitRecord is how an attempt ended, as exit.json keeps it.
type ExitRecord struct {
	// Code is the exit code, 0 to 255, or -1 when the command did not exit by itself.
	Code int `json:"code"`
	// Signal that ended the command; 0 when none did.
	Signal int `json:"signal,omitempty"`
	// Reason is why the attempt was ended, as job.ReasonWord gives it, for
	// example `TIME_LIMIT`. Empty when the command ended by itself.
	Reason string `json:"reason,omitempty"`
	// Message says more, in plain words.
	Message string `json:"message,omitempty"`
	// Node is the machine that it ran on.
	Node string `json:"node,omitempty"`
	// EngineID is the engine's own id of the run.
	EngineID string `json:"engine_id,omitempty"`
	// Start of the command; zero when it never ran.
	Start time.Time `json:"start,omitzero"`
	// End of the command; zero when it never ran.
	End time.Time `json:"end,omitzero"`
	// Usage is what it used; nil when that could not be measured.
	Usage *ExitUsage `json:"usage,omitempty"`
	// Ended says that every process which the attempt started has ended, so that nothing of it can write any more. It
	// is false where whoever wrote the record could not know that.
	Ended bool `json:"ended,omitempty"`
}

// ExitUsage is what an attempt used.
type ExitUsage struct {
	// MaxRSSBytes is the largest resident memory of one of its processes, in bytes.
	MaxRSSBytes int64 `json:"max_rss_bytes"`
	// CPUSeconds is processor time in user and system mode.
	CPUSeconds float64 `json:"cpu_seconds"`
	// ElapsedSeconds is wall-clock time.
	ElapsedSeconds float64 `json:"elapsed_seconds"`
	// CPUs are the cores that were given.
	CPUs int32 `json:"cpus,omitempty"`
	// MemoryBytes is the memory that was given.
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
}

// ExitFile is room on disk that was set apart for an exit record, so that the
// truth about an attempt that filled its disk can still be written.
type ExitFile struct {
	attempt Attempt
	file    *os.File
	named   bool // whether it has got its final name
}

// ReserveExit sets room apart for the exit record. A full disk is reported here, before the command runs.
func (a Attempt) ReserveExit() (*ExitFile, error) {
	root, name := a.place(exitReserved)
	f, err := root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("reserve the exit record of attempt %s: %w", a.Name(), err)
	}
	if _, err = f.Write(make([]byte, exitMost)); err != nil {
		f.Close()
		_ = root.Remove(name)
		return nil, fmt.Errorf("reserve the exit record of attempt %s: %w", a.Name(), err)
	}
	return &ExitFile{attempt: a, file: f}, nil
}

// Commit writes the record into the reserved room and gives it its name. It
// may be called again after an error. After success the record survives a loss of power.
func (e *ExitFile) Commit(r ExitRecord) error {
	data, err := encodeExit(r)
	if err == nil {
		_, err = e.file.WriteAt(data, 0)
	}
	if err == nil {
		err = e.file.Truncate(int64(len(data)))
	}
	if err == nil {
		err = e.file.Sync()
	}
	root, reserved := e.attempt.place(exitReserved)
	if err == nil && !e.named {
		_, name := e.attempt.place(exitName)
		err = root.Rename(reserved, name)
		e.named = err == nil
	}
	if err == nil {
		err = syncFolder(e.attempt.place("."))
	}
	if err != nil {
		return fmt.Errorf("write the exit record of attempt %s: %w", e.attempt.Name(), err)
	}
	return e.file.Close()
}

// Discard gives the room back without a record.
func (e *ExitFile) Discard() {
	e.file.Close()
	if !e.named {
		root, name := e.attempt.place(exitReserved)
		_ = root.Remove(name)
	}
}

// WriteExit writes the exit record: whole or not at all. After success it survives a loss of power.
func (a Attempt) WriteExit(r ExitRecord) error {
	f, err := a.ReserveExit()
	if err != nil {
		return err
	}
	if err := f.Commit(r); err != nil {
		f.Discard()
		return err
	}
	return nil
}

// ReadExit reads the exit record. The second result is false while there is none.
func (a Attempt) ReadExit() (ExitRecord, bool, error) {
	held, release, err := a.at()
	var data []byte
	if err == nil {
		defer release()
		data, err = readSmall(held.held, exitName, exitMost)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return ExitRecord{}, false, nil
	}
	var r ExitRecord
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return ExitRecord{}, false, fmt.Errorf("read the exit record of attempt %s: %w", a.Name(), err)
	}
	return r, true, nil
}

// encodeExit is the record as JSON that fits into the reserved room.
func encodeExit(r ExitRecord) ([]byte, error) {
	const messageMost = 1000 // bytes; JSON makes six of each at worst
	if len(r.Message) > messageMost {
		r.Message = strings.ToValidUTF8(r.Message[:messageMost], "") + "..."
	}
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if len(data) >= exitMost {
		return nil, fmt.Errorf("exit record of %d bytes is over %d", len(data), exitMost)
	}
	return append(data, '\n'), nil
}
