// Package rig measures servers: each is a process of its own, called by closed
// loops in the same rounds as those beside it, and charged with its processor time.
package rig

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a server in a process of its own.
type Process struct {
	// Address is what the server said behind the words of its Command.Ready.
	Address string
	// Took is the time from exec until the server said that it serves.
	Took time.Duration

	cmd    *exec.Cmd
	log    *os.File
	stop   syscall.Signal
	exited chan struct{}
}

const (
	startTimeout = 3 * time.Minute
	stopTimeout  = 20 * time.Second
)

// Command is a server to start.
type Command struct {
	Program string
	Args    []string
	// Log is the file to which all that the server writes is added.
	Log string
	// Ready is in the first line of standard output that says that the server serves; its address is what
	// follows in that line. Empty means what stintd says.
	Ready string
	// Merge takes standard error for standard output, for servers that say there that they serve.
	Merge bool
	// User runs the server as somebody else; nil means as this program.
	User *syscall.Credential
	// Stop is the signal that ends the server in good order; 0 means SIGTERM.
	Stop syscall.Signal
}

// ready is what stintd and the servers of this program say before their address.
const ready = "is serving on http://"

// Start runs a server and waits until it says that it serves. The kernel ends it when this program is killed.
func Start(ctx context.Context, c Command) (*Process, error) {
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(c.Program, c.Args...) //nolint:noctx // Stop ends it in good order; the kernel does when this program is killed
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: c.User}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	if c.Merge {
		cmd.Stderr = cmd.Stdout
	}
	p := &Process{cmd: cmd, log: log, stop: c.Stop, exited: make(chan struct{})}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	address := make(chan string, 1)
	go func() {
		r := bufio.NewReader(io.TeeReader(out, log))
		if said, ok := find(r, cmp.Or(c.Ready, ready)); ok {
			address <- said
		}
		close(address)
		_, _ = io.Copy(io.Discard, r)
		_ = cmd.Wait() // how a server that is stopped ends is not what is measured
		close(p.exited)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	serves := false
	select {
	case p.Address, serves = <-address:
		p.Took = time.Since(begin)
	case <-ctx.Done():
	}
	if !serves {
		p.Stop()
		tail, _ := os.ReadFile(c.Log)
		return nil, fmt.Errorf("start %s: it does not serve: %s", c.Program, tail[max(0, len(tail)-1000):])
	}
	return p, nil
}

// find reads up to the line that has the words and answers what follows them in it.
func find(r *bufio.Reader, words string) (string, bool) {
	for {
		line, err := r.ReadString('\n')
		if _, after, ok := strings.Cut(strings.TrimSpace(line), words); ok {
			return after, true
		}
		if err != nil {
			return "", false
		}
	}
}

// Stop ends the process in good order, and if it does not end, by force. It may be called of nil.
func (p *Process) Stop() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(cmp.Or(p.stop, syscall.SIGTERM))
	select {
	case <-p.exited:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	_ = p.log.Close()
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Anonymous is the memory of the process in bytes that no file backs.
func (p *Process) Anonymous() (float64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID()) + "/smaps_rollup")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "Anonymous:" {
			kib, err := strconv.ParseFloat(f[1], 64)
			return kib * 1024, err
		}
	}
	return 0, errors.New("smaps_rollup has no line Anonymous")
}
