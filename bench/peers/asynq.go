package main

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"

	"github.com/hibiken/asynq"

	"github.com/stint-jobs/stint/bench/rig"
)

// asynqQueue is asynq on a redis of its own that syncs its log before each answer. No worker runs, so that tasks wait.
type asynqQueue struct {
	client    *asynq.Client
	inspector *asynq.Inspector
	ids       kept[string]
}

const asynqName = "default"

func startAsynq(ctx context.Context, l *lab) (peer, *rig.Process, error) {
	redis, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, nil, errors.New("redis is not there; `tools/setup-debian.sh peers` installs it")
	}
	dir, err := l.folder("redis")
	if err != nil {
		return nil, nil, err
	}
	socket := filepath.Join(l.dir, "redis.sock")
	p, err := l.start(ctx, "redis", rig.Command{
		Program: redis,
		Args:    []string{"--port", "0", "--unixsocket", socket, "--dir", dir, "--appendonly", "yes", "--appendfsync", "always", "--save", ""},
		Ready:   "eady to accept connections at",
	})
	if err != nil {
		return nil, nil, err
	}
	at := asynq.RedisClientOpt{Network: "unix", Addr: socket}
	q := &asynqQueue{client: asynq.NewClient(at), inspector: asynq.NewInspector(at)}
	l.later(q.client.Close)
	l.later(q.inspector.Close)
	return q, p, q.client.Ping()
}

func (q *asynqQueue) submit(ctx context.Context) error {
	info, err := q.client.EnqueueContext(ctx, asynq.NewTask("bench", []byte(payload)))
	if err == nil {
		q.ids.add(info.ID)
	}
	return err
}

func (*asynqQueue) batch(context.Context) error { return errLacks }

func (q *asynqQueue) get(context.Context) error {
	_, err := q.inspector.GetTaskInfo(asynqName, q.ids.one())
	return err
}

func (q *asynqQueue) list(context.Context) error {
	tasks, err := q.inspector.ListPendingTasks(asynqName, asynq.PageSize(pageSize))
	return full(len(tasks), err)
}
