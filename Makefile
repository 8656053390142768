# The front door. `make help` makes its text out of the comments behind the targets.
export EXAMPLE DATASET EPOCHS ARGS ENGINE GPU MODEL TEST STACK DATE WITH WITHOUT LOCK NETWORK TO OUT INPUTS CUSTOM INPUT_SHAPE STOCK KIND ALLOCATOR PULL PORT LOGDIR
# word for word: a command and a folder may have a $ in them
override export DIR := $(value DIR)
override export RUN := $(value RUN)

.DEFAULT_GOAL := help
.PHONY: help list run-example data project inspect explain migrate bundle test test-gpu gallery python36 shell notebook tensorboard doctor build-cpu build-gpu lint tools generate clean

help: ## Show this help
	@echo 'Keras 2.2.4 on TensorFlow 1.9.0, or another pair by STACK=. Targets:'
	@sed -n 's/^\([a-z0-9-]*\):.*## /  \1	/p' $(MAKEFILE_LIST) | expand -t 16
	@echo 'Options, as in `make run-example EXAMPLE=metrics/cohens_kappa DATASET=mnist EPOCHS=3`:'
	@echo '  EXAMPLE       the recipe, TOPIC/NAME, one of `make list`; metrics/cohens_kappa by default'
	@echo '  DATASET       digits (the default, in the package), mnist or fashion_mnist'
	@echo '  EPOCHS        the number of epochs; by default the recipe decides'
	@echo '  ARGS          more options for the recipe, as in ARGS="--threads 1 --data-dir DIR --out DIR";'
	@echo '                ARGS=--help lists them all; a path with blanks stands in quotes'
	@echo '  DIR, RUN      the folder of your project; the command to run in it, or shell, or notebook (docs/project.md);'
	@echo '                DIR is the folder to be in for make shell, too'
	@echo '  DATE, WITH, WITHOUT, LOCK, NETWORK  for your project: as of which day, with and without which packages, the'
	@echo '                folder of its lock, and 1 for a container that reaches the network'
	@echo '  MODEL         the model file to inspect or migrate'
	@echo '  TO, OUT, INPUTS, CUSTOM, INPUT_SHAPE, STOCK   of migrate: see docs/migrate.md'
	@echo '  KIND, OUT     of bundle: cpu (the default), gpu or migrate; the folder for the archive, runs/bundle by default'
	@echo '  PORT, LOGDIR  the port of notebook and tensorboard, by default the first free one; the folder that'
	@echo '                tensorboard shows, by default of the last run that has something to show'
	@echo '  TEST          the test file, folder or single test to run; by default all'
	@echo '  STACK         the pair of TensorFlow and Keras, as in STACK=tf1.15-keras2.3.1; docs/stacks.md has them all'
	@echo '  ALLOCATOR     stock for memory as TensorFlow and glibc handle it by themselves (docs/memory.md)'
	@echo '  PULL          a published image by its digest, NAME@sha256:…, in the place of one built here'
	@echo '  GPU           1 to train on a GPU of this machine, in a container'
	@echo '  ENGINE        docker, podman or local; by default the first of them that works here'
	@echo '  PYTHON36      the Python 3.6 of the local environment; none: never download one'
	@echo '  PYTHON36_MIRRORS  other places of the channel conda-forge for that, addresses or folders, tried first'

run-example: ## Train a recipe and write its result to runs/TOPIC-NAME/result.json
	@scripts/front-door run

project: ## Bring your own project of those years, DIR=its-folder: what it needs, and with RUN="python …" run it
	@scripts/front-door project

list: ## List the recipes, one per line
	@scripts/front-door list

data: ## Download a data set, DATASET=mnist or DATASET=fashion_mnist
	@scripts/front-door data

inspect: ## Say what is in a model file, as in MODEL=model.h5, and whether it loads here
	@scripts/front-door inspect

explain: ## Say what the error message on standard input means, as in `make explain < log`
	@scripts/front-door explain

migrate: ## Move a model file to TO=onnx, savedmodel, tf_keras or keras3, with a proof that it answers the same
	@scripts/front-door migrate

test: tools ## Run the tests of the library, the recipes and these commands, or those of TEST=path
	@scripts/front-door python36 test && .tools/bin/nox -s "$$(scripts/front-door session)" $${TEST:+-- "$$TEST"}

gallery: tools ## Run every recipe, and make runs/gallery/site/index.html of them: code, numbers, pictures, search
	@.tools/bin/nox -s gallery -- build

python36: ## Put conda-forge's Python 3.6 into .python36, where there is none: no root, no compiler
	@scripts/front-door python36 install

shell: ## Open a shell in which Python has TensorFlow and Keras
	@scripts/front-door shell

notebook: ## Open the recipes in Jupyter, for this machine alone; EXAMPLE= names the first one to see
	@scripts/front-door notebook

tensorboard: ## Show the last run, or LOGDIR=folder, in TensorBoard, for this machine alone
	@scripts/front-door tensorboard

build-cpu: ## Build the container image for CPUs
	@scripts/front-door build

build-gpu: ## Build the container image for GPUs
	@KIND=gpu scripts/front-door build

test-gpu: tools ## Run the tests of the recipes on a GPU of this machine
	@.tools/bin/nox -s gpu

bundle: ## Put the image for CPUs, or that of KIND=gpu or migrate, into one archive for a machine without a network; ENGINE=local: the environment
	@scripts/front-door bundle

doctor: ## Say what this machine can run, and what is missing
	@scripts/front-door doctor

lint: tools ## Check the style of the code
	@.tools/bin/nox -s lint

tools: ## Install the developers' tools (nox, uv, ruff, shellcheck) into .tools/bin
	@scripts/front-door tools all

generate: tools ## Write what is generated anew: the Dockerfiles, docs/symptoms.md, tables of recipes and versions
	@.tools/bin/python scripts/generate.py

clean: ## Remove the environments and all results, but no data sets
	scripts/test-engine/dockerd stop
	rm -rf .nox .projects .python36 .tools .venv .venv.lock .venv-notebook .venv-tf* .venv-migrate-* runs
