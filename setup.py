"""What pyproject.toml cannot say: recipes/ lies at the top of the repository, and ships as `nlpkit/recipe_files/`."""

from setuptools import find_namespace_packages, setup

setup(
    packages=[*find_namespace_packages(include=["nlpkit*"]), "nlpkit.recipe_files"],
    package_dir={"nlpkit.recipe_files": "recipes"},
    package_data={
        "nlpkit": [
            "data/samples/**/*",
            "augmentation/english.tsv",
            "clustering/map.js",
            "explaining/attention/page.*",
            "explaining/rows_page/rows.*",
            "serving/deployment/texts/*",
            "serving/page/*.*",
            "py.typed",
            "__init__.pyi",
        ],
        "nlpkit.recipe_files": ["*.yaml", "README.md", "accelerate/*"],
    },
)
