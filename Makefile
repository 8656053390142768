# The front door. `make help` makes its text out of the comments behind the targets.
export EXAMPLE DATASET EPOCHS ARGS ENGINE GPU MODEL

.DEFAULT_GOAL := help
.PHONY: help list run-example data inspect test test-gpu shell doctor build-cpu build-gpu lint tools generate clean

help: ## Show this help
	@echo 'Keras 2.2.4 on TensorFlow 1.9.0. Targets:'
	@sed -n 's/^\([a-z-]*\):.*## /  \1	/p' $(MAKEFILE_LIST) | expand -t 16
	@echo 'Options, as in `make run-example EXAMPLE=metrics/cohens_kappa DATASET=mnist EPOCHS=3`:'
	@echo '  EXAMPLE       a recipe, TOPIC/NAME (make list); metrics/cohens_kappa by default'
	@echo '  DATASET       digits (in the package, the default), mnist or fashion_mnist'
	@echo '  EPOCHS        how many; by default what the recipe says'
	@echo '  ARGS          more for the recipe, as ARGS="--threads 1 --data-dir DIR --out DIR"; ARGS=--help lists them'
	@echo '  MODEL         a file that model.save wrote, for inspect'
	@echo '  GPU           1 for the GPU image with the machine'"'"'s GPUs; a container only'
	@echo '  ENGINE        docker, podman or local; by default the first of them that answers'

run-example: ## Train a recipe and record its result in runs/TOPIC-NAME/result.json
	@scripts/front-door run

list: ## List the recipes, one per line
	@python3 -m tensorflow_with_keras list

data: ## Download DATASET=mnist or DATASET=fashion_mnist, unless it is here
	@scripts/front-door data

inspect: ## Say what a model file is, as in MODEL=model.h5, and whether it loads here
	@scripts/front-door inspect

test: tools ## Run the tests of library, recipes and front door in the local environment
	@.tools/bin/nox -s tests

shell: ## Open a shell in the environment
	@scripts/front-door shell

build-cpu: ## Build the CPU image
	@scripts/front-door build

build-gpu: ## Build the GPU image
	@KIND=gpu scripts/front-door build

test-gpu: tools ## Run the recipes' tests on a real GPU, in the GPU image
	@.tools/bin/nox -s gpu

doctor: ## Say what this machine can run, and why not
	@scripts/front-door doctor

lint: tools ## Check the style
	@.tools/bin/nox -s lint

tools: ## Install nox, uv and the linters into .tools/bin
	@scripts/front-door tools all

generate: tools ## Write what is generated: the Dockerfiles, tables of recipes and of versions
	@.tools/bin/python scripts/generate.py

clean: ## Remove environments and results, keep data
	scripts/test-engine/dockerd stop
	rm -rf .nox .tools .venv .venv.lock runs
