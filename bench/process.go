package main

import (
	"bufio"
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

// process is a server in a process of its own.
type process struct {
	cmd     *exec.Cmd
	address string
	log     *os.File
	took    time.Duration // from exec until it said that it serves
	exited  chan struct{}
}

const (
	startTimeout = 3 * time.Minute
	stopTimeout  = 20 * time.Second
)

// start runs a server and waits for its line "... is serving on http://ADDRESS". What it logs goes to the file.
func start(ctx context.Context, logPath, program string, args ...string) (*process, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, args...) //nolint:noctx // stop ends it in good order; the kernel does when this program is killed
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	p := &process{cmd: cmd, log: log, exited: make(chan struct{})}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	line := make(chan string, 1)
	go func() {
		r := bufio.NewReader(out)
		first, _ := r.ReadString('\n')
		line <- first
		_, _ = io.Copy(io.Discard, r)
		_ = cmd.Wait() // how a server that is stopped ends is not what is measured
		close(p.exited)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	select {
	case first := <-line:
		p.took = time.Since(begin)
		_, p.address, _ = strings.Cut(strings.TrimSpace(first), "is serving on http://")
	case <-ctx.Done():
	}
	if p.address == "" {
		p.stop()
		tail, _ := os.ReadFile(logPath)
		return nil, fmt.Errorf("start %s: it does not serve: %s", program, tail[max(0, len(tail)-1000):])
	}
	return p, nil
}

// stop ends the process in good order, and if it does not end, by force.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	_ = p.log.Close()
}

func (p *process) proc(name string) ([]byte, error) {
	return os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/" + name)
}

// clockTick is the unit of times in /proc/PID/stat, which the kernel fixes for programs at 1/100 s.
const clockTick = 10 * time.Millisecond

// processor is the processor time that the process used, in user and system mode.
func (p *process) processor() (time.Duration, error) {
	b, err := p.proc("stat")
	if err != nil {
		return 0, err
	}
	// The second field is a name in parentheses that may hold anything; utime and stime are the 14th and 15th.
	_, rest, _ := strings.Cut(string(b[strings.LastIndexByte(string(b), ')'):]), " ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat is strange: %q", b)
	}
	user, errUser := strconv.ParseInt(f[11], 10, 64)
	system, errSystem := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * clockTick, errors.Join(errUser, errSystem)
}

// anonymous is the memory of the process in bytes that no file backs.
func (p *process) anonymous() (float64, error) {
	b, err := p.proc("smaps_rollup")
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
