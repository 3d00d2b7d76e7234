package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"github.com/stint-jobs/stint/bench/rig"
)

// poolSize is how many connections callers share: more make PostgreSQL slower on few processors.
const poolSize = 32

// riverQueue is River on a PostgreSQL of its own. No worker runs, so that jobs wait.
type riverQueue struct {
	client *river.Client[pgx.Tx]
	ids    kept[int64]
}

// riverArgs is a job of River's.
type riverArgs struct {
	Reads string `json:"reads"`
}

// Kind is what River calls a service.
func (riverArgs) Kind() string { return "bench" }

func startRiver(ctx context.Context, l *lab) (peer, *rig.Process, error) {
	p, err := startPostgres(ctx, l)
	if err != nil {
		return nil, nil, err
	}
	pool, err := pgxpool.New(ctx, fmt.Sprintf("host=%s user=bench dbname=postgres pool_max_conns=%d", l.dir, poolSize))
	if err != nil {
		return nil, nil, err
	}
	l.later(func() error { pool.Close(); return nil })
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		return nil, nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, nil, err
	}
	client, err := river.NewClient(driver, &river.Config{})
	return &riverQueue{client: client}, p, err
}

func (r *riverQueue) submit(ctx context.Context) error {
	res, err := r.client.Insert(ctx, riverArgs{payload}, nil)
	if err == nil {
		r.ids.add(res.Job.ID)
	}
	return err
}

func (r *riverQueue) batch(ctx context.Context) error {
	params := make([]river.InsertManyParams, batchSize)
	for i := range params {
		params[i].Args = riverArgs{payload}
	}
	_, err := r.client.InsertManyFast(ctx, params)
	return err
}

func (r *riverQueue) get(ctx context.Context) error {
	_, err := r.client.JobGet(ctx, r.ids.one())
	return err
}

func (r *riverQueue) list(ctx context.Context) error {
	res, err := r.client.JobList(ctx, river.NewJobListParams().States(rivertype.JobStateAvailable).First(pageSize))
	if err != nil {
		return err
	}
	return full(len(res.Jobs), nil)
}
