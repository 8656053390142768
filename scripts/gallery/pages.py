"""The sources of the gallery, as Markdown for Sphinx: a page for each recipe, topic and page of docs/.

A page has the place of its file in the repository: of examples/TOPIC/NAME.py it is examples/TOPIC/NAME.md; another file
that a page links to, such as a test, is shown on a page whose name has `.md` behind the whole.
"""

import html
import itertools
import json
import os
import pathlib
import re
import shutil

from scripts.topics import TOPICS
from tensorflow_with_keras import explain, recipe

HERE = pathlib.Path(__file__).resolve().parent
MARK = '  # <- the line that matters'
# What is to be seen on the pictures that recipes draw themselves.
PICTURES = {
    'losses/triplet_semihard': 'Points in a plane, one for each test digit, coloured by digit: like lies by '
    'like, in clusters.',
    'losses/variational': 'Three rows of ten digits: test images; the same as the network reconstructs them from their '
    'code, a little blurred; and what it draws from the prior, more blurred, much of it legible.',
    'metrics/per_class_accuracy': 'A confusion matrix of the ten digits: most test images lie on the diagonal, and the '
    'rare digit is most often taken for others.',
    'observe/embedding_projector': 'A sheet of small dark digits on white, one for each point of the projector, row by '
    'row.',
    'training/learning_rate_decay': 'The learning rate over the batches of training: it falls from 0.5 in a smooth '
    'curve, and the dotted closed form lies on it.',
    'training/saliency': 'Six test digits, and below each a map of its pixels in red and blue: ink on a red pixel '
    'raises the score of the class that the digit is taken for, on a blue one it lowers it.',
}
LINK = re.compile(r'(\]\()([^()#\s]+)(#[^()\s]*)?(\))')
NAMED = re.compile(r'\b(?:docs/[\w\\/]+\.md|[a-z]+/[\w\\]+)')
HEAD = re.compile(r'([A-Z][^.]{1,60}?)(: |$)')
STARTS = ('When', 'Needs', 'Stacks', 'The line', 'Without it', 'What ', 'Another mistake')
STARTS += ('Reaches', 'Checked', 'Sources')


class Problem(Exception):
    """One sentence for whoever edited what is read here."""


def escape(text):
    """Plain text as Markdown; what stands between backquotes stays code."""
    parts = re.split(r'(`[^`]+`)', ' '.join(text.split()))
    return ''.join(p if p.startswith('`') else re.sub(r'([\\`*_{}\[\]<>()#+\-!|$~^&])', r'\\\1', p) for p in parts)


def sections(docstring):
    """The paragraphs behind the first line, as pairs of a heading, taken out of the text, and its paragraphs."""
    found = []
    for paragraph in docstring.split('\n\n')[1:]:
        text = ' '.join(paragraph.split())
        head = HEAD.match(text)
        if head and head[2] and text.startswith(STARTS):
            found.append((head[1], [text[head.end() :]]))
        else:
            found[-1][1].append(text)
    return found


def figure(value):
    if value is None:
        return 'not a number'
    return f'{value:.6g}' if isinstance(value, float) else str(value)


def words(name):
    """A result's name for people."""
    return name.replace('_', ' ')


def fenced(code, *options):
    """A block of code, behind a fence that is longer than any in it."""
    fence = '`' * max([3, *(len(run) + 1 for run in re.findall('`{3,}', code))])
    return '\n'.join([f'{fence}{{code-block}} {options[0]}', *options[1:], '', code.rstrip('\n'), fence, ''])


def image(path, alt, css):
    return f'```{{image}} {path}\n:alt: {json.dumps(alt, ensure_ascii=False)}\n:class: {css}\n```\n'


class Site:
    """What is written, and what pages link to and so has to be written, too."""

    def __init__(self, root, out, recipes, outcomes):
        self.root, self.out, self.recipes, self.outcomes = root, out, recipes, outcomes
        self.pages = {}  # path in the source to its text
        self.wanted = []  # files of the repository whose pages are still to be made
        self.mentions = {}  # page of docs/ to its text
        stacks = sorted(path.name for path in (root / 'requirements' / 'stacks').iterdir())
        self.stacks = ['tf1.9-keras2.2.4', *stacks]
        self.messages = {}
        for row in explain.load():
            self.messages.setdefault(row['recipe'], []).append(row)

    # --- where things are

    def page_of(self, path):
        """The page of a file or folder of the repository, which is then made; None where there is no such file."""
        parts = path.split('/')
        if not (self.root / path).exists() or path.startswith('..'):
            return None
        if (self.root / path).is_dir():
            return f'{path}/index.md' if parts[0] == 'examples' else None
        if path[:-3] in [f'examples/{name}' for name in self.recipes]:
            return f'{path[:-3]}.md'
        page = path if path.endswith('.md') else f'{path}.md'
        if page not in self.pages and path not in self.wanted:
            self.wanted.append(path)
        return page

    def link(self, page, path):
        """What a link from this page to this file or folder is, or None."""
        target = self.page_of(path)
        return target and os.path.relpath(target, os.path.dirname(page) or '.')

    def copied(self, page, path):
        """The same for a picture, which is copied."""
        target = self.out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.root / path, target)
        return os.path.relpath(path, os.path.dirname(page) or '.')

    # --- pages out of files

    def markdown(self, path):
        """A page of the repository, its links those of the site."""
        text = (self.root / path).read_text(encoding='utf-8')
        text = re.sub(r'^\[!\[.*\n', '', text, flags=re.M)  # badges, which lie elsewhere
        fences = re.split(r'(^```.*?^```$)', text, flags=re.M | re.S)
        for n, part in enumerate(fences):
            if not part.startswith('```'):
                fences[n] = LINK.sub(lambda m: m[1] + self.retarget(path, m[2]) + (m[3] or '') + m[4], part)
        self.pages[path] = ''.join(fences)

    def retarget(self, page, target):
        if re.match(r'[a-z]+:', target):
            return target
        path = os.path.normpath(os.path.join(os.path.dirname(page), target))
        if path.endswith('.png') and (self.root / path).exists():
            return self.copied(page, path)
        return self.link(page, path) or target  # Sphinx says what leads nowhere

    def code(self, path):
        """A file of the repository that is no page, as it is."""
        code = (self.root / path).read_text(encoding='utf-8')
        language = {'.py': 'python', '.toml': 'toml', '.cff': 'yaml'}.get(pathlib.Path(path).suffix, 'text')
        page = f'{path}.md'
        topic, _, name = path.rpartition('/')
        name = re.sub('^test_|[.]py$', '', name)
        of = f'{topic.rpartition("/")[2]}/{name}'
        above = ''
        if of in self.recipes and path.startswith('tests/'):
            above = f'The test of [{of}]({self.link(page, f"examples/{of}.py")}).\n'
        elif of in self.recipes and path.startswith('docs/keras3/'):
            index = self.link(page, 'docs/keras3/README.md')
            recipe_page = self.link(page, f'examples/{of}.py')
            above = f'The pattern of [{of}]({recipe_page}) in Keras 3, one of [these]({index}).\n'
        # a search is for what the recipes' pages say
        head = '---\norphan: true\nnosearch: true\n---\n'
        self.pages[page] = f'{head}\n# {escape(path)}\n\n{above}\n{fenced(code, language)}'

    # --- recipes

    def prose(self, text, page):
        """A docstring's words as Markdown, with links to the recipes and pages that they name."""

        def linked(match):
            name = match[0].replace('\\', '')
            path = name if name.endswith('.md') else f'examples/{name}.py'
            target = self.link(page, path)
            return f'[{match[0]}]({target})' if target else match[0]

        parts = re.split(r'(`[^`]+`)', escape(text))
        return ''.join(p if p.startswith('`') else NAMED.sub(linked, p) for p in parts)

    def thumbnail(self, one, page):
        """What stands above a recipe's card: its picture, else the number that counts."""
        outcome = self.outcomes[one.name]
        found = self.picture(one, page)
        if found:
            return image(*found, 'gallery-thumbnail')
        reached, record = recipe.reaches(one.docstring), outcome.record
        name, value = reached.metric, reached.value
        if record and isinstance(record['metrics'].get(name), (int, float)):
            value = record['metrics'][name]
        shown = f'{value:.2f}' if abs(value) < 10 and value != int(value) else f'{value:g}'
        return f'<p class="key-number"><span>{shown}</span> {html.escape(words(name))}</p>\n'

    def picture(self, one, page):
        """Path and words of the picture that shows a recipe best; None where there is none."""
        outcome = self.outcomes[one.name]
        folder = os.path.dirname(page) or '.'
        if outcome.plot:
            file = f'examples/{one.name}-plot.svg'
            return os.path.relpath(file, folder), outcome.plot['alt']
        if self.own_picture(one):
            return os.path.relpath(f'examples/{one.name}.png', folder), PICTURES[one.name]
        return None

    def own_picture(self, one):
        outcome = self.outcomes[one.name]
        name = outcome.record and outcome.record['metrics'].get('picture')
        if name and one.name not in PICTURES:
            raise Problem(f'{one.name} draws a picture, and PICTURES in scripts/gallery/pages.py has no words for it')
        return name

    def copy_pictures(self, one):
        """Puts the recipe's pictures where its page and its cards look for them."""
        outcome, target = self.outcomes[one.name], self.out / 'examples' / one.name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if self.own_picture(one):
                shutil.copyfile(outcome.folder / self.own_picture(one), f'{target}.png')
            if outcome.plot:
                shutil.copyfile(outcome.folder / outcome.plot['file'], f'{target}-plot.svg')
        except OSError as e:
            raise Problem(
                f'a picture of {one.name} is not there ({e}): remove {outcome.folder}, and it is made anew'
            ) from None

    def card(self, one, page):
        link = self.page_of(f'examples/{one.name}.py')[: -len('.md')]
        name, summary = escape(one.name.split('/')[1]), escape(one.summary.rstrip('.'))
        name = name.replace(r'\_', r'\_<wbr>')  # where a long one may be broken
        return (
            f':::{{grid-item-card}}\n:link: /{link}\n:link-type: doc\n:link-alt: {json.dumps(one.name)}\n'
            f':class-card: gallery-card\n\n{self.thumbnail(one, page)}\n**{name}**\n\n{summary}\n:::\n'
        )

    def grid(self, recipes, page):
        cards = '\n'.join(self.card(one, page) for one in recipes)
        return f'::::{{grid}} 1 2 3 4\n:gutter: 3\n\n{cards}\n::::\n'

    def recipe(self, one):
        """The page of a recipe."""
        page = f'examples/{one.name}.md'
        outcome = self.outcomes[one.name]
        told = sections(one.docstring)
        lines = [f'# {escape(one.summary.rstrip("."))}\n']
        stacks = one.stacks or self.stacks
        which = ', '.join(f'`{name}`' for name in stacks)
        compatibility = self.link(page, 'docs/compatibility.md')
        lines.append(
            f'`{one.name}`, for {"all stacks" if not one.stacks else which}: [compatibility]({compatibility}).\n'
        )
        found = self.picture(one, page)
        if found:
            lines.append(image(*found, 'gallery-picture'))
        if outcome.plot and self.own_picture(one):
            name = pathlib.Path(one.name).name
            lines += ['The recipe itself draws this:\n', image(f'{name}.png', PICTURES[one.name], 'gallery-picture')]
        later = []
        for head, paragraphs in told:
            if head in ('Reaches', 'Checked', 'Sources'):
                later.append((head, paragraphs))
            else:
                lines += [f'## {escape(head)}\n', *(f'{self.prose(capital(p), page)}\n' for p in paragraphs)]
        lines += ['## The code\n', *self.listing(one, page)]
        lines += ['## The numbers\n', *self.numbers(one)]
        lines += [f'**{head}**: {self.prose(" ".join(paragraphs), page)}\n' for head, paragraphs in later]
        lines += ['## Run it\n', self.run_it(one)]
        lines += ['## More\n', *self.more(one, page)]
        self.pages[page] = '\n'.join(lines)

    def listing(self, one, page):
        source = pathlib.Path(one.path).read_text(encoding='utf-8')
        code = source[source.index('"""', 3) + 3 :].strip('\n')
        marked = [str(n) for n, line in enumerate(code.split('\n'), 1) if line.endswith(MARK)]
        marked = [f':emphasize-lines: {",".join(marked)}'] if marked else []
        test = self.link(page, f'tests/recipes/{one.name.replace("/", "/test_")}.py')
        yield f'`examples/{one.name}.py` without its docstring, which is this page. [Its test]({test}) checks it.\n'
        yield fenced(code, 'python', *marked)

    def numbers(self, one):
        outcome = self.outcomes[one.name]
        if outcome.why:
            yield f'{escape(outcome.why)}\n'
        if outcome.record is None:
            return
        reached = recipe.reaches(one.docstring)
        metrics, versions = outcome.record['metrics'], outcome.record['versions']
        data = outcome.record['dataset']['name']
        yield (
            f'On the {data}, with seed {outcome.record["seed"]} and one thread, by TensorFlow {versions["tensorflow"]} '
            f'and Keras {versions["keras"]}. "Stated" is what the docstring says that the recipe reaches.\n'
        )
        yield '| result | value | stated |\n|---|--:|--:|'
        for name, value in metrics.items():
            if not isinstance(value, str):
                stated = f'{reached.value:g}' if reached and name == reached.metric else ''
                yield f'| {escape(words(name))} | {figure(value)} | {stated} |'
        yield ''
        files = [f'`{value}` ({words(name)})' for name, value in metrics.items() if isinstance(value, str)]
        if files:
            yield f'Files that it writes: {", ".join(files)}.\n'

    def run_it(self, one):
        tag = 'cpu-distributed' if one.needs else 'cpu'
        make = f'EXAMPLE={one.name} ' if one.needs else ''
        return fenced(
            f'make run-example EXAMPLE={one.name}\n\n'
            '# or with Docker alone, once the image is built\n'
            f'{make}make build-cpu\n'
            'docker run --rm --network none --read-only --tmpfs /tmp --cap-drop ALL \\\n'
            '    --user "$(id -u):$(id -g)" -v "$PWD:/work" \\\n'
            f'    tensorflow-with-keras:{tag} python -m tensorflow_with_keras run {one.name}',
            'sh',
        )

    def more(self, one, page):
        twin = f'docs/keras3/{one.name}.py'
        if (self.root / twin).exists():
            yield f'- [The same pattern in Keras 3]({self.link(page, twin)})'
        else:
            yield f'- [What takes its place in Keras 3]({self.link(page, "docs/keras3/README.md")})'
        places = (f'examples/{one.name}.py', f'tests/recipes/{one.name.replace("/", "/test_")}.py')
        for path, text in self.mentions.items():
            if any(place in text for place in places) and not path.startswith('docs/keras3'):
                title = re.search('^# (.*)', text, re.M)[1]
                yield f'- [{title}]({self.link(page, path)})'
        rows = self.messages.get(one.name, [])
        if rows:
            yield '\nIt is the way out of these messages:\n'
        for row in rows:
            message = row['message'].replace('`', "'")
            group = anchor(row['group'])
            yield f'- [`{message}`]({self.link(page, "docs/symptoms.md")}#{group})'
        yield ''

    # --- the whole

    def topics(self):
        found = itertools.groupby(self.recipes.values(), lambda one: one.name.split('/')[0])
        return [(topic, list(members)) for topic, members in found]

    def indexes(self):
        """The front page, the pages of topics, and the trees by which the site is walked through."""
        front = [
            '---\nhtml_theme.sidebar_secondary.remove: true\n---\n',
            '# Recipes for TensorFlow 1.9 in Keras 2.2.4\n',
            f'{len(self.recipes)} recipes, each a file to copy: one pattern, the line that matters in it, what goes '
            'wrong without that line, and the numbers that it reaches, checked against something independent. How to '
            f'get it running is on [the page of the project]({self.link("index.md", "README.md")}), what an error '
            f'message means on [another]({self.link("index.md", "docs/symptoms.md")}).\n',
            '```{raw} html\n'
            '<form class="gallery-search" action="search.html" method="get" role="search">\n'
            '<label for="gallery-q">Search recipes and pages</label>\n'
            '<input id="gallery-q" class="form-control" type="search" name="q" placeholder="kappa, Saver, mask …">\n'
            '<button class="btn btn-primary" type="submit">Search</button>\n'
            '</form>\n```\n',
        ]
        jumps = [f'[{topic}](#{anchor(TOPICS.get(topic, topic))})' for topic, _ in self.topics()]
        front.append(f'Topics: {", ".join(jumps)}.\n')
        tree = ['# Recipes\n', 'All of them, by topic.\n']
        entries = []
        for topic, members in self.topics():
            if topic not in TOPICS:
                raise Problem(f'scripts/topics.py has no heading for the recipes of the topic {topic}')
            title = TOPICS[topic]
            page = f'examples/{topic}/index.md'
            front += [f'## {title}\n', self.grid(members, 'index.md')]
            toctree = '\n'.join(f'{one.name.split("/")[1]} </examples/{one.name}>' for one in members)
            self.pages[page] = f'# {title}\n\n{self.grid(members, page)}\n```{{toctree}}\n:hidden:\n\n{toctree}\n```\n'
            tree.append(f'- [{title}]({topic}/index.md)')
            entries.append(f'{topic} </examples/{topic}/index>')
        tree.append('\n```{toctree}\n:hidden:\n\n' + '\n'.join(entries) + '\n```\n')
        self.pages['examples/index.md'] = '\n'.join(tree)
        front.append(
            '```{toctree}\n:hidden:\n\nRecipes </examples/index>\nMessages </docs/symptoms>\n'
            'Keras 3 </docs/keras3/README>\nPages </docs/README>\nThe project </README>\n```\n'
        )
        self.pages['index.md'] = '\n'.join(front)

    def write(self):
        docs = sorted(str(p.relative_to(self.root)) for p in (self.root / 'docs').rglob('*.md'))
        self.mentions = {
            path: (self.root / path).read_text(encoding='utf-8') for path in docs if path != 'docs/README.md'
        }
        for one in self.recipes.values():
            self.copy_pictures(one)
            self.recipe(one)
        self.indexes()
        self.wanted += [path for path in docs if path not in self.wanted]
        done = set()
        while set(self.wanted) - done:
            path = next(each for each in self.wanted if each not in done)
            done.add(path)
            if path.endswith('.md'):
                self.markdown(path)
            else:
                self.code(path)
        listed = [path for path in docs if path not in ('docs/README.md', 'docs/symptoms.md', 'docs/keras3/README.md')]
        tree = '\n'.join(f'/{path[:-3]}' for path in listed)
        self.pages['docs/README.md'] += f'\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n'
        in_a_tree = {'README.md', *docs}
        for page, text in self.pages.items():
            if page.endswith('.md') and page.count('/') < 2 and page in done and page not in in_a_tree:
                text = f'---\norphan: true\n---\n\n{text}'
            path = self.out / page
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding='utf-8')


def capital(text):
    """A sentence that begins as one, unless its first word is a name in code."""
    return text[:1].upper() + text[1:] if re.match(r"[a-z]+('s)?,? ", text) else text


def anchor(heading):
    """The fragment of a heading: as GitHub and MyST make it."""
    return re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-')


def write(root, out, recipes, outcomes):
    """Writes the sources of the site into `out`, which is emptied first."""
    shutil.rmtree(out, ignore_errors=True)
    (out / '_static').mkdir(parents=True)
    shutil.copyfile(HERE / 'conf.py', out / 'conf.py')
    for name in ('gallery.css', 'gallery.js', 'icon.svg'):
        shutil.copyfile(HERE / name, out / '_static' / name)
    Site(root, out, recipes, outcomes).write()
