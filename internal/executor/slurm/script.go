package slurm

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/stint-jobs/stint/internal/executor"
)

// wrapper is the part of the batch script that is the same for every attempt.
//
//go:embed wrapper.sh
var wrapper string

// script is the batch script of an attempt.
func script(dir string, t token, hint string) string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n")
	fmt.Fprintf(&b, "# Stint: job %s, attempt %d\n", t.job, t.attempt)
	fmt.Fprintf(&b, "dir=%s\ntoken=%s\nhint=%s\n", quote(dir), quote(t.String()), quote(hint))
	b.WriteString(wrapper)
	return b.String()
}

// gpuVariables are how Slurm tells a program which graphics processors it was
// given. A job that asked for some needs them beside its own environment.
var gpuVariables = []string{"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "GPU_DEVICE_ORDINAL"}

// commandFile is what the script reads to learn the command: it sets `program`
// and, as the positional parameters, env(1) with the whole environment and the command.
func commandFile(c executor.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "program=%s\nset -- env -i", quote(c.Argv[0]))
	for _, v := range c.Env {
		b.WriteString(" \\\n" + quote(v))
	}
	if c.Resources.GetGpus() > 0 {
		for _, name := range gpuVariables {
			fmt.Fprintf(&b, " \\\n${%s+\"%s=$%s\"}", name, name, name)
		}
	}
	for _, a := range c.Argv {
		b.WriteString(" \\\n" + quote(a))
	}
	b.WriteString("\n")
	return b.String()
}
